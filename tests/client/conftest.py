import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.fake_daemon import FakeDaemon, serve
from ldrps_client import Client
from ldrps_client.cli import main


@pytest.fixture
def fake():
    return FakeDaemon()


@pytest.fixture
def address(fake, monkeypatch):
    # Not pytest's folder: the path of a socket has to fit in 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ldrps") as folder:
        where = f"unix:{folder}/s"
        monkeypatch.setenv("LDRPS_ADDRESS", where)
        server = serve(fake, where)
        yield where
        server.stop(None).wait()


@pytest.fixture
def client(address):
    with Client(autostart=False) as made:
        yield made


@pytest.fixture
def ldrps(capsys, address):
    """Run the command in this process: (exit code, output, error output)."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def pixels():
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 3, y * 4, (x + y) * 2], axis=-1).astype(np.uint8)


@pytest.fixture
def photo(tmp_path, pixels) -> Path:
    path = tmp_path / "in.png"
    Image.fromarray(pixels).save(path)
    return path
