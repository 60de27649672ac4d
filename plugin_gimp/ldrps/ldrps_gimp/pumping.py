"""Life of a dialog between two pieces of its own work."""

from __future__ import annotations

import time

from gi.repository import Gtk

from ldrps_gimp.errors import CancelledError

_SECONDS = 0.02


class Pumping:
    """A dialog that stays alive while it works, and can be stopped."""

    _stopped = False

    def _idle(self) -> None:
        """Keep the dialog alive, for a moment at most; break off if that is wanted."""
        until = time.monotonic() + _SECONDS
        while Gtk.events_pending() and time.monotonic() < until:
            Gtk.main_iteration_do(False)
        if self._stopped:
            self._stopped = False
            raise CancelledError
