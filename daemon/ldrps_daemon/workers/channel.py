"""The line between the front and a worker of this machine: both of its ends.

A worker inherits its end where a process can. Elsewhere it calls back at a port of the loopback
interface, and either side proves that it knows a secret, which the worker got by its standard
input: a command line, others could read. No pickle on any of it.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from ldrps_wire.system import PASSES_DESCRIPTORS, listening

_LOOPBACK = "127.0.0.1"
_SECRET_BYTES = 32
# Seconds that one who calls has for its proof; it keeps others waiting.
_PROOF_SECONDS = 2.0
_CONNECT_SECONDS = 30.0
_POLL_SECONDS = 0.1
_WORKER, _FRONT = b"worker", b"front"


class Line:
    """The front's end, from before the worker's start. Use `line`, which knows what there is."""

    arguments: Mapping[str, object] = {}
    """Options that the worker's command line needs,"""
    popen: Mapping[str, Any] = {}
    """and those that Popen needs."""

    def __init__(self) -> None:
        self._front: socket.socket | None = None
        self._pipe: Connection | None = None

    def started(self, process: subprocess.Popen[bytes]) -> None:
        """Take note of the worker's process."""

    def opened(self) -> Connection:
        """Wait until the worker is there; EOFError if it never will be. Called in a thread."""
        raise NotImplementedError

    def send_bytes(self, data: bytes, /) -> None:
        """Send one message; OSError if the worker is known to be gone, or is not there yet."""
        if self._pipe is None:
            raise OSError("the worker is not there yet")
        self._pipe.send_bytes(data)

    def shut(self) -> None:
        """Wake the thread that reads, even if a grandchild still holds the other end."""
        if self._front and self._front.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._front.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it for good."""
        for end in (self._pipe, self._front):
            if end:
                end.close()

    def _take(self, front: socket.socket) -> Connection:
        self._front = front
        self._pipe = Connection(front.dup().detach())
        return self._pipe


class _Inherited(Line):
    """Two sockets that belong together; the worker inherits one."""

    def __init__(self) -> None:
        super().__init__()
        front, self._back = socket.socketpair()
        try:
            self._opened = self._take(front)
        except BaseException:
            front.close()
            self._back.close()
            raise
        self.arguments = {"pipe": self._back.fileno()}
        self.popen = {"pass_fds": [self._back.fileno()], "stdin": subprocess.DEVNULL}

    def started(self, process: subprocess.Popen[bytes]) -> None:
        """Leave the other end to the worker alone."""
        self._back.close()

    def opened(self) -> Connection:
        """Return the connection that is open from the beginning."""
        return self._opened

    def close(self) -> None:
        """Close those of the two ends that are ours."""
        self._back.close()
        super().close()


class _Called(Line):
    """A port at which the worker calls."""

    def __init__(self) -> None:
        super().__init__()
        self.popen = {"stdin": subprocess.PIPE}
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._listener = listening((_LOOPBACK, 0), backlog=8)
        self._listener.settimeout(_POLL_SECONDS)
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False

    def started(self, process: subprocess.Popen[bytes]) -> None:
        """Tell the worker where to call, and the secret."""
        said = {"port": self._listener.getsockname()[1], "secret": self._secret.hex()}
        assert process.stdin
        # One that has ended already is noticed when it does not call.
        with contextlib.suppress(OSError), process.stdin as stdin:
            stdin.write(json.dumps(said).encode())
        self._process = process

    def opened(self) -> Connection:
        """Wait for the call, and turn others away."""
        with self._listener:
            while not self._over and self._process and self._process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    caller, _ = self._listener.accept()
                    if _has_proved(caller, self._secret):
                        return self._take(caller)
                    caller.close()
        raise EOFError

    def shut(self) -> None:
        """Wait no longer, neither for the call nor for messages."""
        self._over = True
        super().shut()

    def close(self) -> None:
        """Close the port as well."""
        self._listener.close()
        super().close()


def line() -> Line:
    """Make a line to a worker that is about to be started; OSError if there is no room for one."""
    return _Inherited() if PASSES_DESCRIPTORS else _Called()


def to_front(descriptor: int | None) -> Connection:
    """Open the worker's end: at a descriptor, or by a call to where standard input says."""
    if descriptor is not None:
        return Connection(descriptor)
    said = json.loads(sys.stdin.buffer.read())
    front = socket.create_connection((_LOOPBACK, int(said["port"])), _CONNECT_SECONDS)
    with front:
        _prove(front, bytes.fromhex(said["secret"]))
        front.settimeout(None)
        return Connection(front.dup().detach())


def _has_proved(caller: socket.socket, secret: bytes) -> bool:
    """Have a caller prove that it knows the secret, and prove the same to it."""
    ours = secrets.token_bytes(_SECRET_BYTES)
    caller.settimeout(_PROOF_SECONDS)
    try:
        caller.sendall(ours)
        theirs, proof = _read(caller), _read(caller)
        if not hmac.compare_digest(proof, _proof(secret, _WORKER, ours, theirs)):
            return False
        caller.sendall(_proof(secret, _FRONT, ours, theirs))
    except OSError:
        return False
    caller.settimeout(None)
    return True


def _prove(front: socket.socket, secret: bytes) -> None:
    """Prove the same to the front; ConnectionError unless it does as well."""
    theirs, ours = _read(front), secrets.token_bytes(_SECRET_BYTES)
    front.sendall(ours + _proof(secret, _WORKER, theirs, ours))
    if not hmac.compare_digest(_read(front), _proof(secret, _FRONT, theirs, ours)):
        raise ConnectionError("what listens there is not the front that started this worker")


def _proof(secret: bytes, side: bytes, of_front: bytes, of_worker: bytes) -> bytes:
    return hmac.digest(secret, side + of_front + of_worker, "sha256")


def _read(peer: socket.socket) -> bytes:
    """Read one number or proof; both are as long. ConnectionError where the other end closes."""
    data, end = b"", time.monotonic() + _PROOF_SECONDS
    while len(data) < _SECRET_BYTES:
        part = peer.recv(_SECRET_BYTES - len(data))
        if not part or time.monotonic() > end:
            raise ConnectionError("the other side does not prove itself")
        data += part
    return data
