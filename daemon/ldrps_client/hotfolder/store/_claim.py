"""Claim to a watched folder that watchers of other users of this machine can see.

A name in Linux's abstract namespace of sockets is held by a process and by nothing on any disk. But
any user can take a name that can be guessed, to keep others from watching: so the holder is
believed only if the kernel tells that this user may write in the folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldrps_wire.ownership import may_write
from ldrps_wire.system import credentials

log = logging.getLogger("ldrps.watch")


@contextmanager
def claimed(root: Path) -> Iterator[None]:
    """Hold the claim while the block runs; OSError if a process has it that may."""
    name = f"\0ldrps-watch-{hashlib.sha256(os.fsencode(root)).hexdigest()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as ours:
        try:
            ours.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or _is_credible(name, root):
                raise
            log.warning("somebody who may not write in %s pretends to watch it", root)
            yield
            return
        ours.listen()
        # A process that asks who holds the name makes a connection, of which a few may wait.
        answering = threading.Thread(target=_answer, args=(ours,), daemon=True)
        answering.start()
        try:
            yield
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            answering.join()


def _is_credible(name: str, root: Path) -> bool:
    """Tell whether the holder of the name may write in the folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        asking.settimeout(1)
        try:
            asking.connect(name)
            _, user = credentials(asking)
        except OSError:
            # A watcher listens and has room.
            return False
    return may_write(user, root)


def _answer(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()
