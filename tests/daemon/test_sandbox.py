"""Abilities left to a process that decodes, tried from the inside."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldrps_daemon.workers.sandbox import ONE_THREAD
from support.daemon import environment

# One of these is tried after the process has locked itself in, and is to be refused there.
TRIES = {
    "socket": "import socket; socket.socket()",
    "socket pair": "import socket; socket.socketpair()",
    "connection": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "program": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "fork": "os.fork() or os._exit(0)",
    "kill": "os.kill(os.getppid(), 0)",
    "thread kill": "raw('tgkill', os.getppid(), os.getppid(), 0)",
    "queued signal": "raw('rt_sigqueueinfo', os.getppid(), 0, bytes(128))",
    "signal by descriptor": "raw('pidfd_send_signal', os.pidfd_open(os.getppid()), 0, None, 0)",
    "signal by fcntl": "fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
    "limits": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (9, 9))",
    "others' limits": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "own limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    "priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "processors": "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0))",
    "scheduling": "os.sched_setscheduler(os.getppid(), os.SCHED_OTHER, os.sched_param(0))",
    "ptrace": "raw('ptrace', 0, 0, 0, 0)",
    "peek": "raw('process_vm_readv', os.getppid(), None, 0, None, 0, 0)",
    "poke": "raw('process_vm_writev', os.getppid(), None, 0, None, 0, 0)",
    "mount": "raw('mount', None, None, None, 0, None)",
    "unmount": "raw('umount2', None, 0)",
    "root": "os.chroot(folder)",
    "namespace": "raw('unshare', 0)",
    "others' namespace": "raw('setns', 0, 0)",
    "keys": "raw('keyctl', 0, -3, 0)",
    "bpf": "raw('bpf', 0, None, 0)",
    "performance": "raw('perf_event_open', None, 0, -1, -1, 0)",
    "faults": "raw('userfaultfd', 0o2000000)",
    "ring": "raw('io_uring_setup', 0, None)",
    "nameless file": "os.memfd_create('x')",
    "shared memory": "raw('shmget', 0, 4096, 0o600)",
    "queue": "raw('mq_open', None, 0, 0, None)",
    "outlive": "raw('prctl', 1, 0, 0, 0, 0)",
    "terminal": "fcntl.ioctl(1, termios.TIOCSTI, b'x')",
    "attributes of an open file": "fcntl.ioctl(0, 0x80086601, bytes(8))",
    "read": "open(folder + '/secret').read()",
    "list": "os.listdir(folder)",
    "write": "open(folder + '/new', 'w')",
    "write again": "open(folder + '/secret', 'r+')",
    "write at the end": "open(allowed, 'a')",
    "truncate at opening": "os.open(folder + '/secret', os.O_RDONLY | os.O_TRUNC)",
    "nameless temporary file": "os.open(folder, os.O_TMPFILE | os.O_RDWR)",
    "open by a structure": "raw('openat2', -100, secret, bytes(24), 24)",
    "truncate": "os.truncate(folder + '/secret', 0)",
    "truncate an open file": "os.ftruncate(1, 0)",
    "chmod": "os.chmod(folder + '/secret', 0o777)",
    "chmod of an open file": "os.fchmod(0, 0o777)",
    "newer chmod": "raw('fchmodat2', -100, secret, 0o777, 0)",
    "chown": "os.chown(folder + '/secret', -1, -1)",
    "chown of an open file": "os.fchown(0, -1, -1)",
    "setxattr": "os.setxattr(folder + '/secret', 'user.x', b'x')",
    "setxattr of an open file": "os.setxattr(0, 'user.x', b'x')",
    "removexattr": "os.removexattr(folder + '/marked', 'user.x')",
    "getxattr": "os.getxattr(folder + '/marked', 'user.x')",
    "utime": "os.utime(folder + '/secret')",
    "utime of an open file": "os.utime(0)",
    "unlink": "os.unlink(folder + '/secret')",
    "rename": "os.rename(folder + '/secret', folder + '/new')",
    "link": "os.link(folder + '/secret', folder + '/new')",
    "symbolic link": "os.symlink('x', folder + '/new')",
    "folder": "os.mkdir(folder + '/new')",
    "no folder": "os.rmdir(folder + '/empty')",
    "pipe with a name": "os.mkfifo(folder + '/new')",
    "watch": "raw('inotify_init1', 0)",
    "lock": "fcntl.flock(0, fcntl.LOCK_SH)",
    "change folder": "os.chdir(folder)",
    "home": "open(os.path.expanduser('~/new'), 'w')",
    "devices": "open('/dev/zero')",
    "descriptors": "[os.open(allowed, os.O_RDONLY) for _ in range(99)]",
    "memory": "bytearray(1 << 30)",
    "output": "[os.write(1, bytes(1 << 20)) for _ in range(3)]",
}
MACHINE = json.loads(
    subprocess.run(
        [sys.executable, "-m", "ldrps_daemon.workers.sandbox"],
        capture_output=True, check=True, env=environment(),
    ).stdout
)  # fmt: skip
LANDLOCK = ("read", "list", "devices")
LIMITS = ("descriptors", "memory", "output")
CODE = """
import ctypes, errno, fcntl, os, resource, signal, sys, termios, threading
from pathlib import Path
import pyseccomp
from ldrps_daemon.workers.sandbox import Limits, restrict
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, allowed = sys.argv[1:3]
secret = os.fsencode(folder + '/secret')
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *arguments):
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    number = {{'fchmodat2': 452, 'openat2': 437}}.get(name, number)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
if {locked}:
    restrict(Limits(memory=800 << 20, output=1 << 20, cpu_seconds=2), [Path(allowed)])
try:
    {what}
except MemoryError:
    sys.exit(7)
except OSError as error:
    if error.errno == errno.ENOSYS or (error.errno in (errno.EACCES, errno.EPERM)):
        sys.exit(7)
    if error.errno in (errno.EFBIG, errno.EMFILE):
        sys.exit(7)
    # The kernel looked at it, and only found the arguments to be wrong.
    sys.exit(8)
"""


def run(folder, what, locked):
    allowed = folder / "allowed"
    allowed.write_text("x")
    (folder / "secret").write_text("s")
    (folder / "marked").write_text("s")
    (folder / "empty").mkdir(exist_ok=True)
    os.setxattr(folder / "marked", "user.x", b"x")
    with (folder / "out").open("wb") as out, allowed.open("rb") as payload:
        code = CODE.format(locked=locked, what=what)
        command = [sys.executable, "-c", code, str(folder), str(allowed)]
        return subprocess.run(
            command, stdin=payload, stdout=out, env=environment() | ONE_THREAD, timeout=60
        ).returncode


def locked_in(folder, what):
    return run(folder, what, True)


@pytest.mark.parametrize("name", TRIES)
def test_what_a_photo_has_no_need_of_is_refused(tmp_path, name):
    layer = "landlock" if name in LANDLOCK else "" if name in LIMITS else "seccomp"
    if layer and not MACHINE[layer]:
        pytest.skip(f"there is no {layer}")
    assert locked_in(tmp_path, TRIES[name]) == 7
    assert (tmp_path / "out").stat().st_size <= 1 << 20
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "secret").read_text() == "s"


# What a process without rights of its own may do, so that the test above can fail.
FREE = [
    *("socket", "program", "fork", "kill", "signal by fcntl", "limits", "own limits", "priority"),
    *("processors", "ptrace", "nameless file", "shared memory", "outlive", "read", "list", "write"),
    *("truncate", "chmod", "chmod of an open file", "setxattr", "setxattr of an open file"),
    *("removexattr", "getxattr", "utime", "utime of an open file", "unlink", "rename", "link"),
    *("folder", "no folder", "watch", "lock", "write at the end", "attributes of an open file"),
    *("truncate at opening", "nameless temporary file", "truncate an open file", "devices"),
]


@pytest.mark.parametrize("name", FREE)
def test_it_is_the_sandbox_that_refuses(tmp_path, name):
    what = TRIES[name].replace("(9, 9)", "(4096, resource.prlimit(os.getppid(), 7)[1])")
    what = what.replace("os.getppid()", "os.getpid()") if name in ("limits", "priority") else what
    assert run(tmp_path, what, False) in (0, 8)


def test_threads_that_are_there_already_are_locked_in_or_it_is_reported(tmp_path):
    code = """
    go, done = threading.Event(), []
    def late():
        go.wait()
        try:
            os.chmod(folder + '/secret', 0o777)
        except OSError:
            done.append(1)
    thread = threading.Thread(target=late)
    thread.start()
    layers = restrict(Limits(memory=800 << 20, output=1 << 20, cpu_seconds=9), [])
    go.set()
    thread.join()
    sys.exit(0 if done and layers.seccomp and not layers.landlock else 1)"""
    if not MACHINE["seccomp"]:
        pytest.skip("there is no seccomp")
    assert run(tmp_path, code.strip(), False) == 0


def test_endless_work_ends(tmp_path):
    began = time.monotonic()
    assert locked_in(tmp_path, "while True: pass") < 0
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "fine",
    [
        "open(allowed).read()",
        "os.fstat(0); os.stat(folder); os.path.exists(folder)",
        "resource.getrlimit(resource.RLIMIT_NOFILE)",
        "__import__('time').sleep(0.01)",
        "t = threading.Thread(target=print); t.start(); t.join()",
        "bytearray(1 << 24)",
    ],
)
def test_what_a_photo_needs_is_there(tmp_path, fine):
    assert locked_in(tmp_path, fine) == 0


def decode(path, tmp_path, pixels=10**6):
    command = [sys.executable, "-P", "-m", "ldrps_daemon.workers.decoder"]
    with Path(path).open("rb") as payload, (tmp_path / "out").open("wb") as out:
        subprocess.run(
            [*command, f"--max-pixels={pixels}", f"--parent={os.getpid()}"],
            stdin=payload, stdout=out, env=environment() | ONE_THREAD, timeout=60, check=True,
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


def test_a_photo_does_not_write_the_daemons_log(tmp_path):
    """Neither a library's words nor those of a process that was taken over get into it."""
    code = """
import os, sys
from ldrps_daemon.workers import decoder
from ldrps_engine.errors import PhotoError
os.write(2, b'before ')
def taken_over(path):
    os.write(2, b'forged line')
    sys.stderr.write('and another')
    raise PhotoError('it is bad')
decoder.decode = taken_over
decoder.main()
"""
    (tmp_path / "x").touch()
    command = [sys.executable, "-c", code, "--max-pixels=9", f"--parent={os.getpid()}"]
    with (tmp_path / "x").open("rb") as payload:
        ran = subprocess.run(
            command, stdin=payload, capture_output=True, env=environment() | ONE_THREAD, timeout=60
        )
    assert ran.returncode == 0
    assert json.loads(ran.stdout[1:])["message"] == "it is bad"
    assert b"forged" not in ran.stderr
    assert b"another" not in ran.stderr
    assert ran.stderr.startswith(b"before")
