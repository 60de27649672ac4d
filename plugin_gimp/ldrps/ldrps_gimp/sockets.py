"""Differences between sockets with TLS and without."""

from __future__ import annotations

import socket

NOT_NOW: tuple[type[Exception], ...] = (BlockingIOError, InterruptedError)
"""Exceptions raised where a socket that does not block would have to."""
try:
    from ssl import SSLWantReadError, SSLWantWriteError
except ImportError:  # a Python without TLS can do with a unix socket
    pass
else:
    NOT_NOW = (*NOT_NOW, SSLWantReadError, SSLWantWriteError)


def read_available(sock: socket.socket, size: int) -> bytes:
    """Read what has come, about `size` bytes at most; nothing where the other end has closed."""
    data = bytearray(sock.recv(size))
    # TLS gives a record at a time, and of what it holds back no `select` would tell.
    while data and len(data) < size and hasattr(sock, "pending"):
        try:
            more = sock.recv(size)
        except NOT_NOW:
            break
        if not more:
            break  # raised once more by the next call
        data += more
    return bytes(data)
