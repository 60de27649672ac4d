"""Locks the calling process in before it touches bytes that somebody else made.

Three layers, all of the kernel's own: resource limits; seccomp, under which no socket, no other
program and no other process can be had; Landlock, under which no file can be opened but the
given ones. A kernel without the last two leaves the limits; `restrict` says what holds.
`python -m ldrps_daemon.sandbox` prints that for this machine.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's name for the architecture, and the column below."""
_FORBIDDEN = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD = 0x10000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = (0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF)
"""What there is to forbid, by version of Landlock."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What holds on this machine."""

    seccomp: bool
    landlock: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one process."""

    memory: int
    """Bytes of address space."""
    output: int
    """Bytes of any file written."""
    cpu_seconds: int


def restrict(limits: Limits, readable: Sequence[Path]) -> Layers:
    """Lock this process in for good. `readable`: files and folders it may still open."""
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.output),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Layers(seccomp=False, landlock=False)
    return Layers(landlock=_landlock(libc, readable), seccomp=_seccomp(libc))


def _landlock(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    rights = _FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1]
    wanted = ctypes.create_string_buffer(struct.pack("=Q", rights), 8)
    ruleset = libc.syscall(_LANDLOCK_CREATE, wanted, 8, 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
        libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0)
    finally:
        os.close(descriptor)


def _seccomp(libc: ctypes.CDLL) -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = b"".join(struct.pack("=HBBI", *line) for line in _program(*machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a length and, aligned, a pointer.
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    packed = ctypes.create_string_buffer(program, len(program))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, packed, 0, 0) == 0)


def _program(architecture: int, column: int) -> list[tuple[int, int, int, int]]:
    """Berkeley packet filter over struct seccomp_data: number, architecture, arguments."""
    load, equal, greater, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    lines = [
        (load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0),
        # x86's second numbering of the same calls.
        (greater, 0, 1, 0x40000000), (give, 0, 0, kill),
    ]  # fmt: skip
    for numbers in _FORBIDDEN.values():
        number = numbers[column]
        if number is not None:
            lines += [(equal, 0, 1, number), (give, 0, 0, refuse | errno.EPERM)]
    # The C library falls back from clone3, whose flags cannot be seen, to clone; threads may be.
    lines += [(equal, 0, 1, _CLONE3[column]), (give, 0, 0, refuse | errno.ENOSYS)]
    lines += [
        (equal, 0, 3, _CLONE[column]), (load, 0, 0, 16),
        (bits, 1, 0, _CLONE_THREAD), (give, 0, 0, refuse | errno.EPERM),
    ]  # fmt: skip
    return [*lines, (give, 0, 0, allow)]


def main() -> None:
    """Print what holds here, as JSON."""
    plenty = Limits(memory=1 << 40, output=1 << 30, cpu_seconds=60)
    print(json.dumps(asdict(restrict(plenty, []))), flush=True)


if __name__ == "__main__":
    main()
