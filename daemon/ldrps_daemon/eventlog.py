"""A job's numbered events: in memory for those who watch, in a file for a daemon yet to come.

An event is in the file before anybody can see it, so that a number that a client has seen never
comes again with another meaning. The file is not synced: it outlives the daemon, and where the
whole machine fails, so do the clients on it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.spool import StoredLayers

log = logging.getLogger("ldrps.jobs")
_LENGTH = struct.Struct("<I")


def pack(events: Iterable[pb.Event]) -> bytes:
    """Events as records: a length, then the message."""
    encoded = (event.SerializeToString() for event in events)
    return b"".join(_LENGTH.pack(len(data)) + data for data in encoded)


def unpack(data: bytes) -> Iterator[pb.Event]:
    """The events in records, up to one that was cut off."""
    start = 0
    while start + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if start + length > len(data):
            return
        try:
            yield pb.Event.FromString(data[start : start + length])
        except DecodeError:
            return
        start += length


class EventLog:
    """Events numbered 1, 2, 3 ...: what was said, then the result's layers, then the end.

    Layers are never held in memory: their events are made from the result file on demand.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # As bytes, which take a tenth of the memory: jobs are kept for a while.
        self._said: list[bytes] = []
        self._end: pb.Event | None = None
        self.layers: StoredLayers | None = None

    @property
    def last(self) -> int:
        """Number of the last event so far; 0 if there is none."""
        layers = self.layers.count() if self.layers else 0
        return len(self._said) + layers + (self._end is not None)

    @property
    def ended(self) -> bool:
        """Whether nothing will follow."""
        return self._end is not None

    def recover(self) -> Iterator[pb.Event]:
        """Take up what a daemon before this one was told; yields it."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        known = list(unpack(data))
        # What was cut off must not lie between what was said and what will be.
        os.truncate(self._path, len(pack(known)))
        self._said = [event.SerializeToString() for event in known]
        yield from known

    def add(self, event: pb.Event) -> None:
        """Number an event and keep it."""
        event.number = self.last + 1
        self._write(pack([event]))
        self._said.append(event.SerializeToString())

    def end(self, event: pb.Event, layers: StoredLayers | None = None) -> None:
        """Close the log with an end event, after the layers if there are any."""
        self.layers = layers
        event.number = self.last + 1
        self._end = event

    async def read(self, number: int) -> pb.Event | None:
        """The event with this number, or None if there is none yet."""
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

    def _write(self, record: bytes) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(record)
        except OSError as error:
            # The job may still end well; only a crash on top of this could cost events.
            log.warning("an event cannot be kept: %s", error.strerror)
