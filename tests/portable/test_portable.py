"""Parts meant to work on every system: reading and writing files, and the plug-in's own modules.

CI runs this folder on macOS and Windows. On Linux a process in which POSIX's modules cannot be
imported stands for those.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

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

ROOT = Path(__file__).parents[2]
POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios")
PATHS = [ROOT, ROOT / "proto", ROOT / "daemon", ROOT / "tests"]


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)


MODULES = sorted(
    ".".join(path.relative_to(ROOT / "daemon").with_suffix("").parts).removesuffix(".__init__")
    for room in ("ldrps_client", "ldrps_wire")
    for path in (ROOT / "daemon" / room).rglob("*.py")
    if path.stem != "__main__"
)
OF_POSIX = {
    "os": ("geteuid", "getuid", "pathconf", "sysconf", "statvfs", "fork", "mkfifo",
           "O_NONBLOCK", "O_CLOEXEC", "O_TMPFILE"),
    "signal": ("SIGIO", "SIGHUP", "SIGKILL"),
    "socket": ("AF_UNIX",),
}  # fmt: skip
"""Names that Windows lacks in modules that it has."""
ELSEWHERE = f"""
import sys; sys.path[:0] = {[*map(str, PATHS)]!r}
sys.modules.update(dict.fromkeys({POSIX_ONLY!r}))
import grpc, os, platformdirs, shutil, signal, socket, tempfile, types
if hasattr(os, "statvfs"):
    free = shutil.disk_usage(os.getcwd())
    shutil.disk_usage = lambda path: free
    tempfile._O_TMPFILE_WORKS = False
    def remove(module, name):
        if hasattr(module, name): delattr(module, name)
    for module, names in {OF_POSIX!r}.items():
        for name in names: remove(sys.modules[module], name)
from support import plugin; plugin.load()
"""
"""Begins a process in which Linux looks as Windows does to those who ask for its parts."""


def run_elsewhere(code, *arguments, **variables):
    command = [sys.executable, "-c", ELSEWHERE + code, *map(str, arguments)]
    environment = os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_all_that_a_client_and_the_plugin_import_imports_where_there_is_no_posix():
    assert len(MODULES) > 80
    plugin = ("http2", "grpc_call", "messages", "sockets", "ownership", "daemon", "errors")
    names = [*MODULES, *(f"ldrps_gimp.{name}" for name in plugin)]
    code = (
        "import importlib, traceback\n"
        f"for name in {names!r}:\n"
        "    try: importlib.import_module(name)\n"
        "    except Exception: print(name, traceback.format_exc())\n"
    )
    done = run_elsewhere(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_photo_is_read_checked_and_written_there(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "in.png")
    code = """
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
assert memory_bytes() is None
"""
    done = run_elsewhere(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.png") as made:
        assert np.array_equal(np.asarray(made), pixels)


@pytest.mark.skipif(os.name != "posix", reason="the daemon runs on Linux")
def test_a_client_there_restores_through_a_daemon_over_tcp(tmp_path, pixels, start_daemon):
    from support.daemon import free_port, wait_until

    address, token = f"127.0.0.1:{free_port()}", str(tmp_path / "token")
    start_daemon(address=address, token_file=token)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    code = "from ldrps_client.cli import main; sys.exit(main(sys.argv[1:]))"
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


def test_without_unix_sockets_a_sentence_asks_for_the_daemons_address():
    code = """
from ldrps_client.cli import main
os.environ["LDRPS_ADDRESS"] = ""
for words in (["status"], ["restore", "photo.jpg"], ["doctor", "--json"], ["gimp", "doctor"]):
    main(words)
"""
    done = run_elsewhere(code)
    assert done.stderr.count("ldrps: this system has no unix sockets, so the daemon runs on") == 2
    assert "unforeseen" not in done.stdout + done.stderr
    assert done.stdout.count("this system has no unix sockets") >= 2


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
