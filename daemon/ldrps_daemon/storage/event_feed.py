"""Numbered events of one job as they reach its watchers, and the preview of the moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.eventlog import EventLog
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_engine.errors import LimitError, UnavailableError

_ONCE = ("diagnosis", "description")
_RETRY_SECONDS = 1.0


class EventFeed:
    """Events of one job, for any number of watchers."""

    def __init__(self, job: str, path: Path) -> None:
        self.log = EventLog(path)
        self.watchers = 0
        self.preview_watchers = 0
        self._job = job
        self._published: set[str] = set()
        self._preview = pb.Event()
        self._preview_serial = 0
        self._suspended = False
        self._changed = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None

    def recover(self) -> Iterator[pb.Event]:
        """Restore the events that an earlier daemon logged, and yield them."""
        for event in self.log.recover():
            self._note(event)
            yield event

    def publish(self, event: pb.Event) -> bool:
        """Log an event, or show a preview to those who watch now; returns whether it was logged."""
        if self.log.ended:
            return False
        logged = False
        if event.HasField("preview"):
            event.number = self.log.last
            self._preview = event
            self._preview_serial += 1
        elif event.WhichOneof("kind") not in self._published:
            self.log.add(event)
            self._note(event)
            self._write_soon()
            logged = True
        self._notify()
        return logged

    def end(self, event: pb.Event, layers: StoredLayers | None) -> None:
        """Close the feed with an end event, after the layers if there are any."""
        self.log.end(event, layers)
        # What a worker may still show must not hold memory for as long as the job is kept.
        self._preview = pb.Event()
        if self._retry:
            self._retry.cancel()
        self._notify()

    def suspend(self) -> None:
        """Tell watchers that this daemon will not see the end."""
        self._suspended = True
        self._notify()

    @contextmanager
    def watched(self, previews: bool) -> Iterator[None]:
        """Count a watcher while the block runs."""
        self.watchers += 1
        self.preview_watchers += previews
        try:
            yield
        finally:
            self.watchers -= 1
            self.preview_watchers -= previews

    async def follow(self, from_event: int, previews: bool) -> AsyncIterator[pb.Event]:
        """Yield events from a number on, to the end. Never more than one is held for a watcher.

        LimitError if there is no such number, and none to come before others; UnavailableError
        when the daemon stops before the end.
        """
        number = max(1, from_event)
        self._check(number)
        shown = self._preview_serial
        while True:
            # Taken before reading, so that no change can slip in between.
            changed = self._changed
            while event := await self.log.read(number):
                yield event
                number += 1
            if self.log.ended:
                return
            if self._suspended:
                raise UnavailableError("the daemon is stopping; the job goes on when it is back")
            if previews and shown != self._preview_serial:
                shown = self._preview_serial
                yield self._preview
            await changed.wait()

    def _check(self, number: int) -> None:
        last, going = self.log.last, not self.log.ended
        if number <= last + going:
            return
        known = f"has sent {last} events and " + ("goes on" if going else "has ended")
        raise LimitError(
            f"job '{self._job}' {known}, so from_event {number} is past the last one; "
            f"watch from 1 to {last + going}"
        )

    def _note(self, event: pb.Event) -> None:
        kind = event.WhichOneof("kind")
        if kind in _ONCE:
            # A job that goes on after a break finds out the same again.
            self._published.add(kind)

    def _write_soon(self) -> None:
        """Schedule another try to write what the disk did not take, as nothing more may be sent."""
        if not self.log.held_back or (self._retry and not self._retry.cancelled()):
            return
        loop = asyncio.get_running_loop()
        self._retry = loop.call_later(_RETRY_SECONDS, self._write_again)

    def _write_again(self) -> None:
        self._retry = None
        if not self.log.ended and not self.log.flush():
            self._write_soon()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
