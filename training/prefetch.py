"""Batches made on a thread of their own, a few ahead of the one that is trained on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Made = TypeVar("Made")

_WAIT = 0.2


class Prefetched(Generic[Made]):
    """Calls `draw` on a thread until it is closed; an error there is raised by `next`."""

    def __init__(self, draw: Callable[[], Made], ahead: int) -> None:
        self._draw = draw
        self._ready: queue.Queue[tuple[Made] | Exception] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def next(self) -> Made:
        """Return the next one, and wait for it if need be."""
        made = self._ready.get()
        if isinstance(made, Exception):
            raise made
        return made[0]

    def close(self) -> None:
        """Stop drawing, and wait until the thread has ended."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Prefetched[Made]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fill(self) -> None:
        while not self._stop.is_set():
            made: tuple[Made] | Exception
            try:
                made = (self._draw(),)
            except Exception as error:
                made = error
            self._offer(made)
            if isinstance(made, Exception):
                return

    def _offer(self, made: tuple[Made] | Exception) -> None:
        while not self._stop.is_set():
            try:
                return self._ready.put(made, timeout=_WAIT)
            except queue.Full:
                continue
