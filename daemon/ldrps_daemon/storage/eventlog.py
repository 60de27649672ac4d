"""A job's numbered events: in memory for those who watch, in a file for a daemon yet to come.

An event is in the file before any client can see it, so that a number that a client has seen never
comes again with another meaning. One that the disk does not take is held back and written later.
The file is not synced: it outlives the daemon, and where the whole machine fails, so do the clients
on it.

Each record has a mark, its length and a checksum before the message, so that damage hides only what
it hit: the events of the records behind it keep their numbers.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_engine.model_store.atomic import CLOSED_ON_EXEC
from ldrps_wire.system import write_at

log = logging.getLogger("ldrps.jobs")
_LENGTH = struct.Struct("<I")
# Start of a record. No length without a mark equals it: events are far smaller than that.
_MARK = b"\xffEv\xfe"
_HEAD = struct.Struct("<4sII")
# Most numbers that can be lost between two records; beyond that, the number itself is wrong.
_MOST_MISSING = 1_000_000


def pack(events: Iterable[pb.Event]) -> bytes:
    """Join events, each behind its length, for places where nothing can be torn."""
    encoded = (event.SerializeToString() for event in events)
    return b"".join(_LENGTH.pack(len(data)) + data for data in encoded)


def unpack(data: bytes) -> Iterator[pb.Event]:
    """Split what `pack` joined, up to an event that was cut off."""
    start = 0
    while found := _unmarked(data, start):
        start, event = found
        yield event


def record(message: bytes) -> bytes:
    """Frame a serialised event as it stands in the file."""
    return _HEAD.pack(_MARK, len(message), zlib.crc32(message)) + message


def records(data: bytes) -> Iterator[tuple[int, pb.Event]]:
    """Yield the end of each whole record and its event; damage is skipped."""
    start, number = 0, 0
    # Daemons before this one wrote records without marks.
    unmarked = True
    while 0 <= start < len(data):
        if found := _marked(data, start):
            unmarked = False
        elif unmarked:
            found = _unmarked(data, start)
        if found and number < found[1].number <= number + 1 + _MOST_MISSING * (not unmarked):
            start, number = found[0], found[1].number
            yield found
        else:
            start = data.find(_MARK, start + 1)


def _marked(data: bytes, start: int) -> tuple[int, pb.Event] | None:
    if start + _HEAD.size > len(data):
        return None
    mark, length, checksum = _HEAD.unpack_from(data, start)
    start += _HEAD.size
    message = data[start : start + length]
    if mark != _MARK or zlib.crc32(message) != checksum:
        return None
    return _parsed(message, length, start)


def _unmarked(data: bytes, start: int) -> tuple[int, pb.Event] | None:
    if start + _LENGTH.size > len(data):
        return None
    (length,) = _LENGTH.unpack_from(data, start)
    start += _LENGTH.size
    return _parsed(data[start : start + length], length, start)


def _parsed(message: bytes, length: int, start: int) -> tuple[int, pb.Event] | None:
    if len(message) < length:
        return None
    try:
        return start + length, pb.Event.FromString(message)
    except DecodeError:
        return None


class EventLog:
    """Events numbered 1, 2, 3 ...: the reports, then the result's layers, then the end.

    Layers are never held in memory: their events are made from the result file on demand.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # As bytes, which take a tenth of the memory: jobs are kept for a while.
        self._said: list[bytes] = []
        self._kept = 0
        self._size = 0
        """Bytes of the file that hold whole records; later ones are overwritten."""
        self._failing = False
        self._end: pb.Event | None = None
        self.layers: StoredLayers | None = None

    @property
    def last(self) -> int:
        """Number of the last event that may be seen; 0 if there is none."""
        return self._end.number if self._end else self._kept

    @property
    def ended(self) -> bool:
        """True once nothing will follow."""
        return self._end is not None

    @property
    def held_back(self) -> int:
        """Number of events that wait for the disk."""
        return len(self._said) - self._kept

    def recover(self) -> Iterator[pb.Event]:
        """Restore the events that an earlier daemon logged, and yield them.

        The numbers of events that are lost stay taken, by events of no kind.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        for end, event in records(data):
            missing = range(len(self._said) + 1, event.number)
            if missing:
                log.warning("%s is damaged: %d events are lost", self._path, len(missing))
            self._said += (pb.Event(number=number).SerializeToString() for number in missing)
            self._said.append(event.SerializeToString())
            self._size = end
            yield event
        self._kept = len(self._said)

    def add(self, event: pb.Event) -> None:
        """Number an event and keep it; no client sees it before the disk has taken it."""
        event.number = len(self._said) + 1
        self._said.append(event.SerializeToString())
        self.flush()

    def flush(self) -> bool:
        """Write the events held back; returns whether none is left."""
        try:
            while self.held_back:
                self._write(record(self._said[self._kept]))
                self._kept += 1
        except OSError as error:
            if not self._failing:
                why = error.strerror or "it takes only a part"
                log.warning("events cannot be kept in %s (%s) and wait", self._path, why)
            self._failing = True
            return False
        if self._failing:
            log.info("events are kept again in %s", self._path)
        self._failing = False
        return True

    def end(self, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close the log with an end event, after the layers if there are any.

        Events still held back are dropped, or their numbers would come again.
        """
        del self._said[self._kept :]
        self.layers = layers
        event.number = self._kept + (layers.count() if layers else 0) + 1
        self._end = event

    async def read(self, number: int) -> pb.Event | None:
        """Return the event with this number, or None if there is none yet."""
        if number > self.last:
            return None
        if number <= len(self._said):
            said: pb.Event = pb.Event.FromString(self._said[number - 1])
            return said
        if self._end and number == self._end.number:
            return self._end
        assert self.layers
        event = await asyncio.to_thread(self.layers.event, number - len(self._said) - 1)
        event.number = number
        return event

    def _write(self, data: bytes) -> None:
        """Write one record behind the last whole one, over whatever lies there."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | CLOSED_ON_EXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != self._size:
                os.ftruncate(descriptor, self._size)
            if write_at(descriptor, data, self._size) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
        self._size += len(data)
