"""Places of the photo that the user wants to see restored, one at a time, the last one first."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import GLib

# Milliseconds after the last change of a setting until the last place is restored again.
_PAUSE_MS = 600


class Places:
    """Queue for the place to be restored next."""

    def __init__(
        self, is_free: Callable[[], bool], restore: Callable[[float, float], None]
    ) -> None:
        """Store `restore`; it is called for a place once `is_free` returns true."""
        self._is_free, self._restore = is_free, restore
        self._wanted: tuple[float, float, bool] | None = None
        self._last: tuple[float, float] | None = None
        self._timer = 0
        self.is_ahead = False
        """True while the place being restored was not requested by the user."""

    def want(self, x: float, y: float, *, ahead: bool = False) -> None:
        """Have a place restored; with `ahead`, only if none has been requested yet."""
        if ahead and self._last:
            return
        self._wanted, self._last = (x, y, ahead), (x, y)
        self.go_on()

    def want_again(self) -> None:
        """Have the last one restored once more, soon, unless something changes before."""
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(_PAUSE_MS, self._on_time) if self._last else 0

    def go_on(self) -> None:
        """Restore the place that was wanted while there was no time."""
        if self._wanted:
            GLib.idle_add(self._try)

    def forget(self) -> None:
        """Drop all wishes."""
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer, self._wanted, self._last = 0, None, None

    def _on_time(self) -> bool:
        self._timer = 0
        if self._last:
            self.want(*self._last)
        return False

    def _try(self) -> bool:
        """Restore if possible; ends, as an idle source does, by False."""
        if self._wanted and self._is_free():
            (x, y, self.is_ahead), self._wanted = self._wanted, None
            self._restore(x, y)
            self.is_ahead = False
            self.go_on()
        return False
