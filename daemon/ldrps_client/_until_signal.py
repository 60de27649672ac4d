"""A server of pages or webhooks that ends as its signal says. Needs uvicorn."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn


class SignalledServer(uvicorn.Server):
    """Variant of uvicorn's server for which Ctrl-C is always an interruption.

    uvicorn raises its signals again at its end, where asyncio may already take Ctrl-C for a task
    that has just finished, and nothing comes of it.
    """

    _ended_by = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and end."""
        self._ended_by = sig
        super().handle_exit(sig, frame)

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until a signal ends it. Raises KeyboardInterrupt at Ctrl-C."""
        self.run(sockets=[listener])
        if self._ended_by == signal.SIGINT:
            raise KeyboardInterrupt
