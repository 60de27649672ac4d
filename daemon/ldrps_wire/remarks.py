"""Sentences on what this system lacks, for the daemon's log, `ldrps status` and `ldrps doctor`."""

from __future__ import annotations

from ldrps_wire.system import CONFINES

_NO_SANDBOX = (
    "this system has no sandbox: files that are handed in are decoded with all the rights of the "
    "daemon; send raw pixels, as our clients do"
)


def remarks() -> tuple[str, ...]:
    """List what protects elsewhere and not here; nothing on Linux."""
    return () if CONFINES else (_NO_SANDBOX,)
