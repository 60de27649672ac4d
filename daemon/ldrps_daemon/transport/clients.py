"""Identity of callers, if known, for fairness and limits per client."""

from __future__ import annotations

import re
from typing import Any

from ldrps_daemon.transport.peer_proxy import PeerProxy

_TCP = re.compile(r"ipv[46]:(.*)")


class Clients:
    """Names the client behind a call."""

    def __init__(self, proxy: PeerProxy | None) -> None:
        self._proxy = proxy

    def of(self, context: Any) -> str:
        """Name it: `cert NAME` with mutual TLS, `pid 123` on the unix socket, else `tcp
        ADDRESS`."""
        peer = str(context.peer())
        if self._proxy:
            return self._proxy.client(peer)
        match = _TCP.fullmatch(peer)
        return f"tcp {match[1]}" if match else "unknown"
