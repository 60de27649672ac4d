"""Client's side of LD-RPS: `Client().restore("in.jpg").save("out.jpg")`. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ldrps_wire as ldrps_wire  # Before gRPC, which it quietens.

if TYPE_CHECKING:
    from ldrps_client._records import DaemonStatus, Job, WorkerStatus
    from ldrps_client._result import Result
    from ldrps_client.client import Client

__all__ = ["Client", "DaemonStatus", "Job", "Result", "WorkerStatus"]

_HOMES = {
    "Client": "ldrps_client.client",
    "DaemonStatus": "ldrps_client._records",
    "Job": "ldrps_client._records",
    "Result": "ldrps_client._result",
    "WorkerStatus": "ldrps_client._records",
}


def __getattr__(name: str) -> object:
    # Loaded when asked for: the daemon and `ldrps --help` need none of it.
    if name not in _HOMES:
        raise AttributeError(f"module 'ldrps_client' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
