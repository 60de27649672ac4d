"""LD-RPS. The generated contract lives in `ldrps.v1`; `from ldrps import Client` is the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ldrps_client import Client, DaemonStatus, Job, Result, WorkerStatus

__all__ = ["Client", "DaemonStatus", "Job", "Result", "WorkerStatus"]


def __getattr__(name: str) -> object:
    # The contract needs nothing of the library, which is loaded when one of these is asked for.
    if name not in __all__:
        raise AttributeError(f"module 'ldrps' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module("ldrps_client"), name)
