"""Locks the calling process in before it touches bytes from others.

Three layers, all of the kernel's own: resource limits; seccomp, under which only the calls listed
in `_ALLOWED` exist; Landlock, under which no file can be opened but the given ones. A machine
without the last two leaves the limits, as far as its system has such; `restrict` says what holds.
`python -m ldrps_daemon.workers.sandbox` prints that for this machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ldrps_wire.system import CONFINES, resource

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
"""Environment of a process that is to be locked in: numpy starts threads as it is imported."""
_PR_SET_NO_NEW_PRIVS = 38
# System calls seen when our formats are decoded, and those that C libraries may use instead.
_ALLOWED = (
    # Open files, and metadata of others. None of these calls changes a file.
    *("read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "lseek", "close"),
    *("fstat", "stat", "lstat", "newfstatat", "statx", "fstatfs", "statfs", "fadvise64"),
    *("access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "getdents64"),
    *("dup", "dup2", "dup3"),
    # Memory.
    *("brk", "mmap", "munmap", "mremap", "mprotect", "madvise"),
    # Threads and signals of this process.
    *("futex", "set_robust_list", "set_tid_address", "rseq", "membarrier", "arch_prctl"),
    *("sched_yield", "sched_getaffinity", "getcpu", "exit", "exit_group", "restart_syscall"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"),
    # Time, chance, and who we are.
    *("clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "nanosleep", "times"),
    *("getrandom", "uname", "sysinfo", "getrusage", "getrlimit", "getpid", "gettid", "getppid"),
    *("getuid", "geteuid", "getgid", "getegid"),
)
_CLONE_THREAD, _PR_SET_NAME = 0x10000, 15
_WORD = 0xFFFFFFFF
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = (0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF)
# Rights that can be forbidden, by version of Landlock; TCP from version 4, reach of abstract
# sockets and signals from version 6.
_NET_RIGHTS, _SCOPES = 0x3, 0x3


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Protections in force on this machine."""

    seccomp: bool
    landlock: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Resource limits of one process."""

    memory: int
    """Bytes of address space."""
    output: int
    """Bytes of any file written."""
    cpu_seconds: int


def restrict(limits: Limits, readable: Sequence[Path]) -> Layers:
    """Lock this process in for good. `readable`: files and folders it may still open."""
    _set(limits)
    if not CONFINES:
        return Layers(seccomp=False, landlock=False)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Layers(seccomp=False, landlock=False)
    # Made first: the library that makes it could not be opened afterwards.
    calls = _calls()
    return Layers(landlock=_landlock(libc, readable), seccomp=calls is not None and _load(calls))


def _set(limits: Limits) -> None:
    if resource is None:
        return
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.output),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        # Elsewhere the system may accept no such limit, as macOS does with memory.
        with contextlib.nullcontext() if CONFINES else contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _landlock(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    files = _FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1]
    rights = [files, *([_NET_RIGHTS] if version >= 4 else []), *([_SCOPES] if version >= 6 else [])]
    size = 8 * len(rights)
    wanted = ctypes.create_string_buffer(struct.pack(f"={len(rights)}Q", *rights), size)
    # It holds for this thread and those it starts; others that are there already stay free.
    alone = _is_alone()
    ruleset = libc.syscall(_LANDLOCK_CREATE, wanted, size, 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path)
        return bool(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0) and alone
    finally:
        os.close(ruleset)


def _is_alone() -> bool:
    """Tell whether this process has only one thread."""
    return len(os.listdir("/proc/self/task")) == 1


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


def _calls() -> Any:
    """Build the filter; None where it cannot be made."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError):  # the latter where there is no libseccomp
        return None
    # As where the kernel has no such call, so that libraries do without.
    calls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    try:
        # Threads that are there already are locked in as well.
        calls.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)
    except OSError:
        if not _is_alone():
            return None
    for name in _ALLOWED:
        _allow_call(pyseccomp, calls, name)
    for name, *condition in _conditions():
        _allow_call(pyseccomp, calls, name, *condition)
    return calls


def _load(calls: Any) -> bool:
    try:
        calls.load()
    except OSError:
        return False
    return True


# Index, mask and value of an argument.
_Condition = tuple[int, int, int]


def _conditions() -> list[tuple[str, *tuple[_Condition, ...]]]:
    """List the calls that are harmless with some arguments only."""
    import fcntl
    import termios

    changes = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC
    temporary = os.O_TMPFILE & ~os.O_DIRECTORY
    controls = (fcntl.F_DUPFD, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC)
    requests = (termios.TCGETS, termios.FIOCLEX, termios.FIONCLEX)
    return [
        ("open", (1, changes | temporary, os.O_RDONLY)),
        ("openat", (2, changes | temporary, os.O_RDONLY)),
        # The C library falls back to it from clone3, whose flags cannot be seen.
        ("clone", (0, _CLONE_THREAD, _CLONE_THREAD)),
        # abort() sends itself a signal.
        ("tgkill", (0, _WORD, os.getpid())),
        ("prctl", (0, _WORD, _PR_SET_NAME)),
        # Our own limits may be asked for, nobody's set.
        ("prlimit64", (0, _WORD, 0), (2, 2**64 - 1, 0)),
        *(("ioctl", (1, _WORD, each)) for each in requests),
        *(("fcntl", (1, _WORD, each)) for each in controls),
    ]


def _allow_call(library: Any, calls: Any, name: str, *conditions: _Condition) -> None:
    number = library.resolve_syscall(library.Arch.NATIVE, name)
    # Below zero: not a call of this processor, or younger than the library.
    if number >= 0:
        compared = [
            library.Arg(index, library.MASKED_EQ, mask, value) for index, mask, value in conditions
        ]
        calls.add_rule(library.ALLOW, number, *compared)


def main() -> None:
    """Print the protections in force here, as JSON."""
    plenty = Limits(memory=1 << 40, output=1 << 30, cpu_seconds=60)
    print(json.dumps(asdict(restrict(plenty, []))), flush=True)


if __name__ == "__main__":
    main()
