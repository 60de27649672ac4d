"""The product as a user has it installed, run from folders that are none of ours."""

import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from installed.conftest import clean_environment
from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from support.daemon import ROOT, header, layer_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

PHOTO = ROOT / "examples" / "low-light.jpg"
SMALL = (96, 64)
"""The least work for the real engine; without noise, whose filter is compiled first."""
SUITE = (
    "e2e/test_restoring.py",
    "e2e/test_encoded.py::test_a_file_comes_back_as_a_file_with_all_that_belonged_to_it",
)
CONFIGURATION = """
[pytest]
pythonpath = tests
filterwarnings = error
timeout = 180
markers =
    e2e: starts a real daemon
    slow: takes long
"""


@contextlib.contextmanager
def serving(environment):
    """A daemon with the real engine, started from / by the installed command; yields its stub."""
    folder = Path(tempfile.mkdtemp(prefix="ldrps-"))
    address = f"unix:{folder}/s"
    command = [environment.folder / "bin" / "ldrps", "serve", "--address", address]
    command += ["--spool", folder / "spool", "--device", "cpu"]
    process = subprocess.Popen(
        [*map(str, command)], cwd="/", env=clean_environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("ldrps: serving on") for line in lines), "it did not start"
        with grpc.insecure_channel(address) as channel:
            yield pb_grpc.RestorationStub(channel), address
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
        shutil.rmtree(folder)


def small_photo(folder):
    """A hazy gradient."""
    path = folder / "small.jpg"
    ramp = np.linspace(140, 220, SMALL[0], dtype=np.uint8)
    Image.fromarray(np.dstack([np.tile(ramp, (SMALL[1], 1))] * 3)).save(path, quality=95)
    return path


def encoded(stub, path, **more):
    """Events of a job whose photo the daemon decodes."""
    data = path.read_bytes()
    messages = [*header(file=pb.EncodedFile(size=len(data)), **more), pb.SubmitRequest(chunk=data)]
    job_id = stub.Submit(iter(messages), timeout=60).job_id
    return list(stub.Watch(pb.WatchRequest(job_id=job_id), timeout=600))


def test_an_encoded_photo_is_decoded_by_an_editable_install(editable, tmp_path):
    with serving(editable) as (stub, _):
        reported = encoded(stub, small_photo(tmp_path), diagnose_only=True)
    assert reported[-1].WhichOneof("kind") == "done", reported[-1]
    assert any(event.HasField("diagnosis") for event in reported)


def test_a_photo_is_restored_by_command_and_as_a_file(installed, tmp_path):
    photo, out = small_photo(tmp_path), tmp_path / "out.jpg"
    with serving(installed) as (stub, address):
        options = ("--recipe", "haze", "--steps", "1", "--recurrences", "0", "--address", address)
        done = installed.run("ldrps", "restore", photo, "-o", out, *options)
        assert done.returncode == 0, done.stderr
        wanted = pb.Settings(recipe="haze", steps=1, recurrences=0)
        reported = encoded(stub, photo, settings=wanted, result_format=pb.FILE_FORMAT_PNG)
    assert reported[-1].WhichOneof("kind") == "done", reported[-1]
    assert layer_bytes(reported).startswith(b"\x89PNG")
    with Image.open(out) as after:
        assert after.size == SMALL


def test_the_end_to_end_tests_pass_with_the_wheel(installed, tmp_path):
    """From a copy that has the tests alone, so that no package of ours can come from a checkout."""
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=lambda *_: ["__pycache__"])
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    named = [f"tests/{name}" for name in SUITE]
    options = ("-q", "-p", "no:cacheprovider", "-x")
    command = [str(installed.python), "-P", "-m", "pytest", *options, *named]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_what_is_ours_comes_from_the_wheel(installed):
    code = "import ldrps_daemon, ldrps_client, ldrps.v1, ldrps_engine as e; print(e.__file__)"
    reported = installed.run("python", "-c", code)
    assert reported.stdout.startswith(str(installed.folder)), reported.stderr


@pytest.mark.parametrize(
    "command", [("restore", PHOTO, "-o", "/tmp/none.jpg"), ("serve",), ("models", "list")]
)
def test_without_the_extra_its_name_is_said(plain, command):
    done = plain.run("ldrps", *command)
    assert done.returncode == 7, done.stderr
    assert done.stderr.count("\n") == 1
    assert "the daemon is not installed (torch, " in done.stderr
    assert done.stderr.endswith("run pip install 'ldrps[daemon]'\n")


@pytest.mark.parametrize("more", [(), ("--once",), ("--install-service",), ("--once", "--json")])
def test_without_the_extra_a_hot_folder_does_not_wait_for_it(plain, tmp_path, more):
    shutil.copy(PHOTO, tmp_path)
    done = plain.run("ldrps", "watch", tmp_path, *more)
    assert done.returncode == 7, done.stderr
    assert done.stderr.endswith("run pip install 'ldrps[daemon]'\n")
    assert "the daemon is not installed (torch, " in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [PHOTO.name]


@pytest.mark.parametrize("program", ["gimp", "darktable"])
def test_without_the_extra_no_plug_in_is_said_to_start_a_daemon(plain, tmp_path, program):
    done = plain.run("ldrps", program, "doctor", "--folder", tmp_path, "--json")
    found = {each["what"]: each for each in json.loads(done.stdout)["findings"]}
    assert not found["daemon"]["fine"]
    assert found["daemon"]["words"].startswith("none answers, and the daemon is not installed (")
    assert found["daemon"]["words"].endswith("run pip install 'ldrps[daemon]'")


def test_without_the_extra_the_front_says_so_also_with_another_engine(plain):
    done = plain.run("ldrps", "serve", "--engine", "none")
    assert (done.returncode, done.stderr.count("\n")) == (7, 1)
    assert "prometheus_client is missing; run pip install 'ldrps[daemon]'" in done.stderr


def test_without_the_extra_all_else_works(plain, tmp_path):
    reported = plain.run("ldrps", "diagnose", PHOTO, "--json")
    assert reported.returncode == 0, reported.stderr
    assert json.loads(reported.stdout)["results"][0]["diagnosis"]["darkness"] > 0
    done = plain.run("ldrps", "gimp", "install", "--folder", tmp_path / "plug-ins")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plug-ins" / "ldrps" / "ldrps.py").is_file()
    assert "warning: the daemon is not installed (torch, " in done.stderr
    report = plain.run("ldrps", "doctor", "--json")
    # That there is no daemon to lock its decoder in is no second problem.
    (words,) = (w for w in json.loads(report.stdout)["problems"] if "disk" not in w)
    assert words.startswith("the daemon lacks torch, ")
