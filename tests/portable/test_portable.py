"""Parts meant to work on every system: reading and writing files, and the plug-in's own modules.

CI runs this folder on macOS and Windows. On Linux processes whose Python lacks what those systems
lack stand for them (support/elsewhere).
"""

import importlib
import os
import sys

import numpy as np
import pytest
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._places import state_folder_of
from ldrps_client.files import decode, encode
from ldrps_engine.errors import PhotoError, SettingsError
from ldrps_engine.settings import Settings
from ldrps_gimp import messages
from ldrps_gimp.vendor.hpack import Decoder, Encoder
from support import elsewhere


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)


@pytest.mark.parametrize("system", elsewhere.SYSTEMS)
def test_a_photo_is_read_checked_and_written_there(tmp_path, pixels, system):
    Image.fromarray(pixels).save(tmp_path / "in.png")
    code = """
import os, sys
from pathlib import Path
from ldrps_client.files import check_folder, decode, encode
folder = Path(sys.argv[1])
check_folder(folder, 1000)
photo = decode(folder / "in.png")
encode(folder / "out.png", photo.photo, like=photo)
from ldrps_wire.ownership import check_way, is_private, own_folder
check_way(folder / "x"); own_folder(folder / "own"); assert is_private(folder)
from ldrps_wire.system import lock, memory_bytes, is_locked
with open(folder / "lock", "wb") as file: lock(file, wait=True); assert not is_locked(file)
assert (memory_bytes() is None) == (not hasattr(os, "sysconf"))
"""
    done = elsewhere.run(system, tmp_path, code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.png") as made:
        assert np.array_equal(np.asarray(made), pixels)


@pytest.mark.skipif(sys.platform != "linux", reason="the daemon here is one on Linux")
def test_a_client_there_restores_through_a_daemon_over_tcp(tmp_path, pixels, start_daemon):
    from support.daemon import free_port, wait_until

    address, token = f"127.0.0.1:{free_port()}", str(tmp_path / "token")
    start_daemon(address=address, token_file=token)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    code = "import sys; from ldrps_client.cli import main; sys.exit(main(sys.argv[1:]))"

    def run_elsewhere(code, *words, **known):
        return elsewhere.run("windows", tmp_path, code, *words, **known)

    known = {"LDRPS_ADDRESS": address, "LDRPS_TOKEN_FILE": token}
    # A machine that is busy may let the first handshake wait for too long.
    assert wait_until(lambda: run_elsewhere(code, "status", **known).returncode == 0, 60)
    words = ["restore", tmp_path / "in.png", "-o", tmp_path / "out.png", "--no-start"]
    done = run_elsewhere(code, *words, **known)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as made:
        # The engine of these tests inverts.
        assert np.array_equal(np.asarray(made), 255 - pixels)
    for words in (["status"], ["jobs"], ["doctor", "--json"], ["watch", "--status"]):
        done = run_elsewhere(code, *words, **known)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg", "avif"])
def test_a_file_is_read_and_written(tmp_path, pixels, ending):
    path, again = tmp_path / f"Straße 霧.{ending}", tmp_path / f"again.{ending}"
    Image.fromarray(pixels).save(path, **({"lossless": True} if ending == "webp" else {}))
    loaded = decode(path)
    encode(again, loaded.photo, like=loaded)
    before, after = (decode(each).photo.to_samples() for each in (path, again))
    assert after.shape == pixels.shape
    if ending in ("png", "tif", "webp"):
        assert np.array_equal(before, pixels)
        assert np.array_equal(after, pixels)


def test_a_file_that_is_there_stays(tmp_path, pixels):
    path = tmp_path / "in.png"
    Image.fromarray(pixels).save(path)
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"in\.png"):
        encode(path, decode(path).photo)
    assert path.read_bytes() == before


@pytest.mark.skipif(hasattr(os, "mkfifo") and sys.platform != "linux", reason="has unix sockets")
def test_without_unix_sockets_a_sentence_names_an_address_that_there_is(tmp_path):
    code = """
import os
from ldrps_client.cli import main
for address in ("", "unix:/run/x/s"):
    os.environ["LDRPS_ADDRESS"] = address
    for words in (["status"], ["stop"], ["doctor", "--json"], ["gimp", "doctor"]):
        main(words)
"""
    done = elsewhere.run("windows", tmp_path, code)
    assert "unforeseen" not in done.stdout + done.stderr
    assert done.stderr.count("ldrps: no daemon has been on 127.0.0.1:") == 1
    assert done.stdout.count("nothing to stop") == 1
    assert done.stderr.count("this system has no unix sockets, so there is no unix:/run/x/s") == 2
    assert done.stdout.count("this system has no unix sockets") >= 1


def test_the_daemon_refuses_a_unix_socket_where_nobody_tells_who_is_there(tmp_path):
    code = "from ldrps_daemon.__main__ import main; import sys; sys.exit(main(sys.argv[1:]))"
    words = ["--address=unix:/run/x/s", "--engine=support.noop_engine"]
    for system in elsewhere.SYSTEMS:
        done = elsewhere.run(system, tmp_path, code, *words)
        assert done.returncode == 2
        assert done.stderr.endswith("so serve on 127.0.0.1:PORT\n"), done.stderr


@pytest.mark.parametrize(
    ("system", "place"),
    [
        ("linux", "{home}/.local/state/ldrps/watch"),
        ("darwin", "{home}/Library/Application Support/ldrps/watch"),
        ("win32", r"C:\Users\ann\AppData\Local/ldrps/watch"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="stands for the other systems")
def test_state_lies_where_each_system_keeps_it(tmp_path, monkeypatch, system, place):
    import platformdirs

    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", system)
        patch.delenv("XDG_STATE_HOME", raising=False)
        patch.setenv("HOME", str(tmp_path))
        # What Windows itself would be asked for.
        patch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", r"C:\Users\ann\AppData\Local")
        importlib.reload(platformdirs)
        assert str(state_folder_of("watch")) == place.format(home=tmp_path)
    importlib.reload(platformdirs)


def test_what_is_no_photo_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "in.jpg"
    path.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"in\.jpg"):
        decode(path)
    with pytest.raises(SettingsError, match="recipe 'sharpen' is not known"):
        Settings(recipe="sharpen")


def test_the_plug_in_speaks_as_protobuf_does():
    sent = pb.WatchRequest(job_id="0123", from_event=7, previews=True)
    plain = {"job_id": "0123", "from_event": 7, "previews": True}
    assert messages.encode("WatchRequest", plain) == sent.SerializeToString()
    assert messages.decode("WatchRequest", sent.SerializeToString()) == plain


def test_the_plug_ins_header_compression_is_whole():
    fields = [(":method", "POST"), ("authorization", "Bearer 霧".encode().decode("latin-1"))]
    assert list(map(tuple, Decoder().decode(Encoder().encode(fields)))) == fields
