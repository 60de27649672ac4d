"""The examples for other languages, as they are in the repository, against a real daemon."""

import ast
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ldrps_client.provenance import read_mark
from support.daemon import ROOT, running_daemon

pytestmark = pytest.mark.e2e

NODE = ROOT / "examples" / "node"
REFLECTION = ROOT / "examples" / "reflection" / "restore.py"
CONTRACT = ROOT / "proto" / "ldrps" / "v1" / "restoration.proto"
SECONDS = 120


@pytest.fixture(scope="module")
def daemon():
    """One for all tests of this file: none minds what the others hand in."""
    with running_daemon() as running:
        yield running


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Node example with what it depends on, as its lock file has it."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node with npm on this machine")
    folder = tmp_path_factory.mktemp("node")
    for path in NODE.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    command = ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170)
    if done.returncode:
        registry = any(word in done.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED"))
        if registry:
            pytest.skip("npm's registry cannot be reached from this machine")
        raise AssertionError(done.stderr)
    return folder / "restore.js"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "in.jpg"
    Image.new("RGB", (400, 300), (10, 20, 30)).save(path, quality=95)
    return path


def run(command, daemon, **more):
    environment = os.environ | {"LDRPS_ADDRESS": daemon.address} | more
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)


def check(path, kind):
    with Image.open(path) as image:
        assert (image.format, image.size) == (kind, (400, 300))
        off = np.abs(np.asarray(image, int)[9, 9] - (245, 235, 225))
        assert off.max() <= 3
    assert read_mark(path).layer == "restored"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_node_restores_a_file(installed, daemon, photo, tmp_path, kind):
    out = tmp_path / f"out.{kind.lower()}"
    node = ["node", str(installed), str(photo), str(out)]
    done = run(node, daemon, LDRPS_PROTO=str(CONTRACT))
    assert done.returncode == 0, done.stderr
    assert "found: noise about 3" in done.stdout
    check(out, kind)


def test_node_says_in_a_sentence_what_is_wrong(installed, daemon, photo, tmp_path):
    photo.write_bytes(b"no photo")
    node = ["node", str(installed), str(photo), str(tmp_path / "out.png")]
    done = run(node, daemon, LDRPS_PROTO=str(CONTRACT))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "is not a photo" in done.stderr
    assert done.stderr.endswith("(photo)\n")
    assert not (tmp_path / "out.png").exists()


def test_node_shows_the_token(installed, start_daemon, photo, tmp_path):
    from support.daemon import free_port

    token = tmp_path / "own" / "token"
    daemon = start_daemon(address=f"127.0.0.1:{free_port()}", token_file=token)
    out = tmp_path / "out.png"
    node = ["node", str(installed), str(photo), str(out)]
    more = {"LDRPS_PROTO": str(CONTRACT), "LDRPS_TOKEN_FILE": str(token)}
    assert run(node, daemon, **more).returncode == 0
    token.write_text("wrong")
    out.unlink()
    done = run(node, daemon, **more)
    assert (done.returncode, done.stderr.endswith("(access)\n")) == (1, True), done.stderr


def test_reflection_is_all_that_python_needs(daemon, photo, tmp_path):
    out = tmp_path / "out.png"
    done = run([sys.executable, str(REFLECTION), str(photo), str(out)], daemon)
    assert done.returncode == 0, done.stderr
    check(out, "PNG")
    again = run([sys.executable, str(REFLECTION), str(photo), str(out)], daemon)
    assert again.returncode == 1
    assert again.stderr == f"restore.py: {out}: File exists\n"


def test_the_reflection_example_speaks_to_no_port_in_the_clear(photo, tmp_path):
    out = tmp_path / "out.png"
    environment = os.environ | {"LDRPS_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, str(REFLECTION), str(photo), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.endswith("this example takes unix:PATH alone\n")


def test_the_reflection_example_imports_nothing_of_ours():
    tree = ast.parse(REFLECTION.read_text())
    froms = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    tops = {name.partition(".")[0] for name in froms | plain}
    assert tops <= {*sys.stdlib_module_names, "grpc", "google", "grpc_reflection"}
