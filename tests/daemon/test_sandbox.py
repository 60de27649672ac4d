"""What a process that decodes can still do, tried from the inside."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.daemon import environment

# One of these is tried after the process has locked itself in; an OSError is what we want.
TRIES = {
    "socket": "import socket; socket.socket()",
    "connection": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "program": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "fork": "os.fork() or os._exit(0)",
    "kill": "os.kill(os.getppid(), 0)",
    "read": "open(sys.argv[1] + '/secret').read()",
    "list": "os.listdir(sys.argv[1])",
    "write": "open(sys.argv[1] + '/new', 'w')",
    "home": "open(os.path.expanduser('~/new'), 'w')",
    "devices": "open('/dev/sda')",
    "descriptors": "[os.open(sys.argv[2], os.O_RDONLY) for _ in range(99)]",
    "memory": "bytearray(1 << 30)",
    "output": "[os.write(1, bytes(1 << 20)) for _ in range(3)]",
}
MACHINE = json.loads(
    subprocess.run(
        [sys.executable, "-m", "ldrps_daemon.sandbox"],
        capture_output=True, check=True, env=environment(),
    ).stdout
)  # fmt: skip
ONLY_WITH = {
    **dict.fromkeys(("socket", "connection", "program", "spawn", "fork", "kill"), "seccomp"),
    **dict.fromkeys(("read", "list", "write", "home", "devices"), "landlock"),
}


def locked_in(folder, what):
    code = f"""
import os, sys, signal, threading
from pathlib import Path
from ldrps_daemon.sandbox import Limits, restrict
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
restrict(Limits(memory=800 << 20, output=1 << 20, cpu_seconds=2), [Path(sys.argv[2])])
try:
    {what}
except (OSError, MemoryError) as error:
    sys.exit(7)
"""
    allowed = folder / "allowed"
    allowed.write_text("x")
    (folder / "secret").write_text("s")
    with (folder / "out").open("wb") as out:
        command = [sys.executable, "-c", code, str(folder), str(allowed)]
        return subprocess.run(command, stdout=out, env=environment(), timeout=60).returncode


@pytest.mark.parametrize("name", TRIES)
def test_what_a_photo_has_no_need_of_is_refused(tmp_path, name):
    layer = ONLY_WITH.get(name)
    if layer and not MACHINE[layer]:
        pytest.skip(f"the kernel has no {layer}")
    assert locked_in(tmp_path, TRIES[name]) == 7
    assert (tmp_path / "out").stat().st_size <= 1 << 20
    assert not (tmp_path / "new").exists()


def test_endless_work_ends(tmp_path):
    began = time.monotonic()
    assert locked_in(tmp_path, "while True: pass") < 0
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "fine",
    [
        "open(sys.argv[2]).read()",
        "t = threading.Thread(target=print); t.start(); t.join()",
        "bytearray(1 << 24)",
    ],
)
def test_what_a_photo_needs_is_there(tmp_path, fine):
    assert locked_in(tmp_path, fine) == 0


def decode(path, tmp_path, pixels=10**6):
    import os

    command = [sys.executable, "-P", "-m", "ldrps_daemon.decoder"]
    with Path(path).open("rb") as payload, (tmp_path / "out").open("wb") as out:
        subprocess.run(
            [*command, f"--max-pixels={pixels}", f"--parent={os.getpid()}"],
            stdin=payload, stdout=out, env=environment(), timeout=60, check=True,
        )  # fmt: skip
    return (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".avif"])
def test_every_kind_of_file_is_decoded_inside(tmp_path, suffix):
    from PIL import Image

    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (40, 30), (10, 20, 30)).save(path)
    data = decode(path, tmp_path)
    assert data[:1] == b"P"
    assert len(data) > 40 * 30 * 3


def test_refusals_come_out_without_our_paths(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    said = json.loads(decode(path, tmp_path, pixels=100)[1:])
    assert said["reason"] == "limit"
    path.write_bytes(b"rubbish" * 100)
    said = json.loads(decode(path, tmp_path)[1:])
    assert said["reason"] == "photo"
    assert "/proc" not in said["message"]
    assert str(tmp_path) not in said["message"]
