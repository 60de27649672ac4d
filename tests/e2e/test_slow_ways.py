"""A daemon behind a network that takes 60 ms each way, and 120 ms to make a connection."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ldrps_client import Client
from ldrps_gimp.choices import Choices
from ldrps_gimp.daemon import Daemon as PlugInsDaemon
from ldrps_gimp.endpoint import Endpoint
from support.daemon import environment, free_port, grey_photo
from support.slow_way import slow_way

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["unix", "tcp"])
def far(request, start_daemon, tmp_path, monkeypatch):
    """The address of a daemon that is far away."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if request.param == "tcp":
        port, way = free_port(), free_port()
        address = f"127.0.0.1:{way}"
        token = tmp_path / "ldrps" / "token"
        start_daemon(address=f"127.0.0.1:{port}", token_file=token)
    else:
        daemon = start_daemon()
        port, way = daemon.socket, daemon.folder / "far"
        address = f"unix:{way}"
    with slow_way(port, way):
        yield address


def ldrps(*words):
    code = "import sys; from ldrps_client.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_commands_get_through(far, tmp_path):
    assert ldrps("status", "--json", "--address", far)["pid"]
    photo = Path(tmp_path, "in.png")
    Image.new("RGB", (20, 16), (77, 77, 77)).save(photo)
    (record,) = ldrps("restore", photo, "--json", "--address", far)["results"]
    with Image.open(record["output"]) as after:
        assert after.getpixel((3, 3)) == (178, 178, 178)
    assert ldrps("stop", "--json", "--address", far)["stopped"]


def test_the_library_gets_through(far):
    with Client(far) as client:
        for _ in range(2):
            assert (client.restore(grey_photo()).photo.to_samples() == 178).all()


def test_the_plug_in_gets_through(far):
    ours = PlugInsDaemon(Endpoint(far, chosen=True))
    ours.ensure_running()
    raster = {"width": 20, "height": 16, "channels": 3, "sample_type": 1}
    header = {"settings": Choices().to_message(), "raster": raster}
    job = ours.submit(header, lambda: [bytes([77]) * 960])
    events = list(ours.watch(job))
    pixels = b"".join(event["layer_chunk"]["data"] for event in events if "layer_chunk" in event)
    assert pixels == bytes([178]) * 960
    ours.close()
