"""A job's files between front and node, in pieces, where the two share no folder.

A piece is a tag, a byte that tells which file it belongs to, a byte that tells whether it is the
file's last, and its part of the file. The other messages are a tag and what belongs to it:

- to the node: `B` a job's files follow, `C` a command as `pipe.py` has it;
- from the node: `R` a report as `pipe.py` has it, `M` the worker's memory in bytes, `Z` the exit
  code of a worker that has ended, behind which nothing comes.

Small messages travel together, as one block of bytes with each message behind its length. A large
one travels alone, as a buffer that Ray copies once into a node's shared memory, where the other
side reads it: bytes would be copied out of there, and joined before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from pickle import PickleBuffer
from typing import BinaryIO

from ldrps_daemon.storage.spool import JobFolder
from ldrps_engine.model_store.atomic import replace

PIECE, BEGIN, COMMAND = b"F", b"B", b"C"
REPORT, MEMORY, END = b"R", b"M", b"Z"
PIECE_BYTES = 8 << 20
TO_NODE = {b"h": "header", b"p": "pixels", b"k": "checkpoint"}
TO_FRONT = {b"k": "checkpoint", b"r": "result"}
_MORE, _LAST = b"+", b"."
_LENGTH_BYTES = 8
_HEAD_BYTES = 3
# Length from which a message is large.
_ALONE_BYTES = 64 << 10

Message = bytes | memoryview
Block = bytes | PickleBuffer
"""Unit of travel; a buffer arrives as a read-only view."""


def pieces(folder: JobFolder, name: str, *, kept: bool = True) -> Iterator[memoryview]:
    """Split a file into pieces; none if it is not there. Reads the disk.

    Those that are not `kept` are of use only until the next one is asked for: fresh memory for each
    costs more than reading does.
    """
    code = next(code for code, known in (TO_NODE | TO_FRONT).items() if known == name)
    missing = contextlib.suppress(FileNotFoundError)
    with missing, Path(getattr(folder, name)).open("rb", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        room = bytearray(_HEAD_BYTES + min(left, PIECE_BYTES))
        while True:
            piece = memoryview(bytearray(len(room)) if kept else room)
            came = file.readinto(piece[_HEAD_BYTES:])
            left -= came
            # A file that has become shorter ends all the same.
            last = left <= 0 or not came
            piece[:_HEAD_BYTES] = PIECE + code + (_LAST if last else _MORE)
            yield piece[: _HEAD_BYTES + came]
            if last:
                return


def is_large(message: Message) -> bool:
    """Tell whether a message travels alone."""
    return len(message) >= _ALONE_BYTES


def blocks(messages: Iterable[Message]) -> Iterator[Block]:
    """Pack messages, in their order; a block is to be sent before the next one is asked for."""
    small: list[Message] = []
    for message in messages:
        if not is_large(message):
            small.append(bytes(message))
            continue
        if small:
            yield joined(small)
            small = []
        yield PickleBuffer(message)
    if small:
        yield joined(small)


def joined(messages: Iterable[Message]) -> bytes:
    """Make one block of some messages."""
    return b"".join(
        part for each in messages for part in (len(each).to_bytes(_LENGTH_BYTES, "big"), each)
    )


def unpacked(block: bytes | memoryview) -> Iterator[memoryview]:
    """Yield the messages of a block that has come, without copying them; ValueError if none."""
    if isinstance(block, bytes):
        yield from _split(block)
    elif not (message := memoryview(block).cast("B")):
        raise ValueError("this is no message")
    else:
        yield message


def _split(block: bytes) -> Iterator[memoryview]:
    left = memoryview(block)
    while left:
        length = int.from_bytes(left[:_LENGTH_BYTES], "big")
        left = left[_LENGTH_BYTES:]
        if not 0 < length <= len(left):
            raise ValueError("this is no block of messages")
        yield left[:length]
        left = left[length:]


class Receiver:
    """Assembles files from pieces; each takes its name when it is complete."""

    def __init__(
        self, folder: JobFolder, names: dict[bytes, str], limit: int, *, lasting: bool = True
    ) -> None:
        """Set the `limit` in bytes for all files at once; `lasting` files survive a crash."""
        self._folder = folder
        self._names = names
        self._limit = limit
        self._lasting = lasting
        self._files: dict[str, BinaryIO] = {}
        self._broken: set[str] = set()
        """Files with a part that could not be written, and whose last part has not come."""
        self._written = 0

    def take(self, piece: Message) -> None:
        """Write a piece; ValueError if it is none that may come, OSError from the disk.

        After an OSError the file is given up, and the rest of it is not written.
        """
        code, mark = bytes(piece[1:2]), bytes(piece[2:_HEAD_BYTES])
        data = memoryview(piece)[_HEAD_BYTES:]
        if piece[:1] != PIECE or code not in self._names or mark not in (_MORE, _LAST):
            raise ValueError("this is no piece of a file that may come")
        name = self._names[code]
        self._written += len(data)
        if self._written > self._limit:
            raise ValueError(f"more than {self._limit} bytes came")
        if name not in self._broken:
            try:
                self._write(name, data, last=mark == _LAST)
            except OSError:
                self._broken.add(name)
                self._give_up(name)
                raise
            finally:
                self._forgive(name, mark)
        else:
            self._forgive(name, mark)

    def _forgive(self, name: str, mark: bytes) -> None:
        # Another file of this name may come now.
        if mark == _LAST:
            self._broken.discard(name)

    def close(self) -> None:
        """Discard incomplete files."""
        for name in list(self._files):
            self._give_up(name)

    def _give_up(self, name: str) -> None:
        if file := self._files.pop(name, None):
            # What is still to be written may be what there is no room for.
            with contextlib.suppress(OSError):
                file.close()
        self._unfinished(name).unlink(missing_ok=True)

    def _write(self, name: str, data: memoryview, *, last: bool) -> None:
        if name not in self._files:
            self._files[name] = self._unfinished(name).open("wb")
        self._files[name].write(data)
        if last:
            self._complete(name)

    def _complete(self, name: str) -> None:
        file = self._files[name]
        file.flush()
        if self._lasting:
            os.fsync(file.fileno())
        size = file.tell()
        self._files.pop(name).close()
        replace(self._unfinished(name), getattr(self._folder, name))
        if name == "checkpoint":
            # The next one takes its place.
            self._written -= size

    def _unfinished(self, name: str) -> Path:
        return self._folder.path / f"{name}.part"
