"""Ends of a worker that are no end of its job."""

from __future__ import annotations


class WorkerDiedError(Exception):
    """Death of the process before its job's end."""


class WorkerLostError(WorkerDiedError):
    """Loss of the worker's machine, or of the line to it, for which no job is to blame."""


class StartError(Exception):
    """Failure to start a process that takes orders, for which no job is to blame."""


class NotNeededError(StartError):
    """End of a start that is not needed any more."""
