"""Takes from Python on Linux what it lacks on Windows, or on macOS, and has calls fail as there.

What a system's Python has is told by its documentation: "Availability" with each name.
"""

import asyncio
import contextlib
import errno
import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from asyncio import selector_events
from functools import wraps

MODULES = {
    "windows": ("fcntl", "grp", "pwd", "resource", "termios"),
    "macos": (),
}
NAMES = {
    "windows": {
        "os": (
            *("fork", "forkpty", "mkfifo", "mknod", "pathconf", "sysconf"),
            *("geteuid", "getuid", "getegid", "getgid", "getgroups", "getpgid", "getsid"),
            *("setsid", "setuid", "setgid", "killpg", "nice", "wait", "waitid"),
            *("statvfs", "fstatvfs", "chown", "fchown", "lchown", "fchmod", "fchdir", "chroot"),
            *("pread", "pwrite", "preadv", "pwritev", "readv", "writev", "sendfile", "pipe2"),
            *("posix_fallocate", "posix_fadvise", "sched_yield", "sched_getaffinity", "lockf"),
            *(
                "fdatasync",
                "sync",
                "set_blocking",
                "memfd_create",
                "copy_file_range",
                "pidfd_open",
                "eventfd",
            ),
            *("O_NONBLOCK", "O_CLOEXEC", "O_TMPFILE", "O_DIRECTORY", "O_NOFOLLOW", "O_ACCMODE"),
            *("O_PATH", "O_SYNC", "O_DSYNC", "O_NOCTTY", "O_DIRECT", "O_NOATIME"),
        ),
        "signal": (
            *("SIGIO", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGQUIT"),
            *("SIGPIPE", "SIGSTOP", "SIGCONT", "SIGXCPU", "SIGXFSZ", "setitimer", "alarm", "pause"),
            *("pthread_sigmask", "pthread_kill", "sigwait", "siginterrupt"),
        ),
        "socket": (
            *("AF_UNIX", "AF_NETLINK", "AF_PACKET", "SO_PEERCRED", "SO_REUSEPORT", "SOCK_CLOEXEC"),
            *("SOCK_NONBLOCK", "MSG_DONTWAIT", "MSG_NOSIGNAL", "SCM_RIGHTS", "send_fds"),
        ),
        "asyncio": (
            *("start_unix_server", "open_unix_connection", "SafeChildWatcher", "PidfdChildWatcher"),
        ),
    },
    "macos": {
        "os": (
            *("O_TMPFILE", "O_PATH", "O_DIRECT", "O_NOATIME", "pipe2", "posix_fadvise"),
            *("posix_fallocate", "sched_getaffinity", "memfd_create", "copy_file_range"),
            *("pidfd_open", "eventfd", "fdatasync"),
        ),
        "signal": ("pthread_getcpuclockid", "sigtimedwait", "sigwaitinfo"),
        "socket": (*("AF_NETLINK", "AF_PACKET", "SO_PEERCRED", "SOCK_CLOEXEC", "SOCK_NONBLOCK"),),
    },
}
FCNTL = {"macos": ("F_SETLEASE", "F_GETLEASE", "F_NOTIFY")}
_LINUXS_OWN = ("/proc", "/sys", "/dev/shm")
_real = {name: getattr(os, name) for name in ("open", "stat", "lstat", "readlink", "scandir")}
_real |= {name: getattr(os, name) for name in ("unlink", "replace", "rename", "fsync", "getpgid")}


def become(system):
    """Make this process, and what it imports from now on, meet `system`."""
    # It asks for Linux's own parts where `sys.platform` says Linux.
    importlib.import_module("platformdirs")
    _hide_linuxs_files()
    tempfile._O_TMPFILE_WORKS = False
    if system == "windows":
        _be_windows()
    else:
        _without_memory_limits()
    for module, names in NAMES[system].items():
        for name in names:
            if hasattr(sys.modules[module], name):
                delattr(sys.modules[module], name)
    for name in FCNTL.get(system, ()):
        import fcntl

        if hasattr(fcntl, name):
            delattr(fcntl, name)
    sys.modules.update(dict.fromkeys(MODULES[system]))


def _hide_linuxs_files():
    """Have nothing in the folders that Linux alone has."""

    def check(path):
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(_LINUXS_OWN):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))

    def hook(event, arguments):
        if event in ("open", "os.listdir", "os.scandir") and not hasattr(_looking, "now"):
            check(arguments[0])

    def checked(real):
        @wraps(real)
        def call(path, *more, **options):
            check(path)
            return real(path, *more, **options)

        return call

    sys.addaudithook(hook)
    for name in ("stat", "lstat", "readlink"):
        setattr(os, name, checked(_real[name]))


_looking = threading.local()
"""Has `now` in a thread in which the stand-in itself looks into /proc."""


@contextlib.contextmanager
def _seeing_all():
    _looking.now = True
    try:
        yield
    finally:
        del _looking.now


def _without_memory_limits():
    """Refuse the limit that macOS takes from nobody."""
    import resource

    real = resource.setrlimit

    def setrlimit(kind, limits):
        if kind == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")
        real(kind, limits)

    resource.setrlimit = setrlimit


def _be_windows():
    socket.socketpair = _loopback_pair
    asyncio.ProactorEventLoop = _Proactor
    asyncio.SelectorEventLoop = _Selector
    asyncio.new_event_loop = asyncio.events.new_event_loop = _Proactor
    _start_and_end_processes_otherwise()
    _keep_files_that_are_open()
    for name in ("_use_fd_functions", "_USE_CP_SENDFILE", "_USE_CP_COPY_FILE_RANGE"):
        setattr(shutil, name, False)
    free = shutil.disk_usage(os.getcwd())
    shutil.disk_usage = lambda path: free


class _Selector(selector_events.BaseSelectorEventLoop):
    """A loop that watches sockets, and knows neither signals nor unix sockets."""


class _Proactor(selector_events.BaseSelectorEventLoop):
    """The usual loop, which watches no sockets for others."""

    def add_reader(self, fd, callback, *args):
        raise NotImplementedError

    remove_reader = add_writer = remove_writer = add_reader


def _loopback_pair(family=None, type=socket.SOCK_STREAM, proto=0):
    """Connect two sockets as Python does on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    return ours, theirs


def _start_and_end_processes_otherwise():
    start = subprocess.Popen.__init__

    def init(self, *given, pass_fds=(), start_new_session=False, preexec_fn=None, **options):
        assert not pass_fds, "pass_fds not supported on Windows."
        assert not preexec_fn, "preexec_fn is not supported on Windows platforms"
        start(self, *given, **options)

    def terminate(self):
        if self.poll() is None:
            os.kill(self.pid, 9)

    subprocess.Popen.__init__ = init
    subprocess.Popen.kill = subprocess.Popen.terminate = terminate


def _keep_files_that_are_open():
    """Have folders not opened, and no name of an open file removed or taken over."""

    def open_file(path, flags, mode=0o777, *, dir_fd=None):
        if isinstance(path, (str, os.PathLike)) and os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return _real["open"](path, flags, mode, dir_fd=dir_fd)

    def fsync(descriptor):
        with _seeing_all(), open(f"/proc/self/fdinfo/{_number(descriptor)}") as info:
            flags = next(line for line in info if line.startswith("flags"))
        if int(flags.split()[1], 8) & 3 == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        _real["fsync"](descriptor)

    def unlink(path, *, dir_fd=None):
        _check_closed(path)
        _real["unlink"](path, dir_fd=dir_fd)

    def moving(real):
        @wraps(real)
        def move(source, target, **options):
            for path in (source, target):
                _check_closed(path)
            real(source, target, **options)

        return move

    os.open, os.fsync, os.unlink, os.remove = open_file, fsync, unlink, unlink
    os.replace, os.rename = moving(_real["replace"]), moving(_real["rename"])


def _number(descriptor):
    return descriptor if isinstance(descriptor, int) else descriptor.fileno()


def _check_closed(path):
    """Raise PermissionError if any process of ours has a file open, or mapped."""
    path = os.path.abspath(os.fsdecode(path))
    with contextlib.suppress(OSError), _seeing_all():
        if not os.path.isdir(path) and (pid := _holder(path)):
            words = f"The process cannot access the file because it is being used by {pid}"
            raise PermissionError(errno.EACCES, words, path)


def _group(pid):
    try:
        return _real["getpgid"](pid)
    except ProcessLookupError:
        return None


def _holder(path):
    mine, ours = str(_real["stat"](path).st_ino), _real["getpgid"](0)
    for process in _real["scandir"]("/proc"):
        # Nobody leaves the group of the test there, as sessions are not begun.
        if not process.name.isdecimal() or _group(int(process.name)) != ours:
            continue
        with contextlib.suppress(OSError):
            for descriptor in _real["scandir"](f"/proc/{process.name}/fd"):
                with contextlib.suppress(OSError):
                    if _real["readlink"](descriptor.path) == path:
                        return process.name
            with open(f"/proc/{process.name}/maps") as maps:
                if any(line.rstrip().endswith(path) and mine in line for line in maps):
                    return process.name
    return None
