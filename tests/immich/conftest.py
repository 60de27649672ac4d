"""A fake Immich, a daemon whose engine only inverts, and `ldrps immich` between them."""

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps_client.cli import main
from support.daemon import ROOT, running_daemon

pytest.importorskip("httpx", reason="the extra immich is not installed")
pytest.importorskip("uvicorn", reason="the extra immich is not installed")

from immich.fake_immich import KEY, FakeImmich

DARK = (ROOT / "examples" / "low-light.jpg").read_bytes()


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def fine():
    """A photo in which nothing is found."""
    rows, columns = np.mgrid[0:120, 0:160]
    waves = 128 + 90 * np.sin(rows / 7) * np.cos(columns / 11) + 30 * np.sin(columns / 3)
    channels = [np.roll(waves, shift, axis) for shift, axis in ((0, 0), (9, 0), (17, 1))]
    return png(np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8))


def dark(seed):
    """A photo that is too dark, each seed another one."""
    with Image.open(io.BytesIO(DARK)) as image:
        pixels = np.array(image.resize((160, 114)))
    pixels[0, 0] = seed
    return png(pixels)


@pytest.fixture(scope="module")
def daemon():
    with running_daemon() as running:
        yield running


@pytest.fixture
def fake(monkeypatch):
    home = Path(tempfile.mkdtemp(prefix="ldrps-state-"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    server = FakeImmich()
    yield server
    server.close()
    shutil.rmtree(home)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def options(fake, key_file, daemon):
    """Options of every command."""
    address = ["--address", daemon.address, "--no-start", "--json"]
    return ["--url", fake.url, "--api-key-file", str(key_file), *address]


@pytest.fixture
def run(options, capsys):
    """(exit code, records or sentence) of `ldrps immich run`."""

    def go(*more, album="Summer"):
        code = main(["immich", "run", "--album", album, *options, *more])
        reported = capsys.readouterr()
        lines = reported.out.splitlines()
        found = [json.loads(line) for line in lines]
        records = [each for line in found for each in line.get("results", ())]
        return code, records, reported.err.removeprefix("ldrps: ").strip()

    return go
