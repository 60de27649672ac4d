"""Every error that a person or a program can meet, as one tree.

LdrpsError
├── InputError               what was given cannot be used as it is
│   ├── SettingsError        a setting has a value it cannot have            exit 2
│   ├── PhotoError           the file or raster is not a photo we can take   exit 3
│   └── LimitError           larger than a configured limit                  exit 4
├── OutputError              the result cannot be written there              exit 5
├── ModelError               a model is missing, broken or unknown           exit 6
├── UnavailableError         no daemon answers, or it went away              exit 7
├── BusyError                the queue is full; try again later              exit 8
├── NotFoundError            no such job                                     exit 9
├── CancelledError           the job was cancelled                           exit 10
├── InternalError            a worker died or a bug showed itself            exit 11
└── AccessError              the daemon does not let this caller in          exit 12

A message is one sentence: what it is about, what is wrong, and what to do. `reason` is the
word that stands for the class on the wire and in JSON.
"""

from __future__ import annotations

from typing import ClassVar


class LdrpsError(Exception):
    """Base of all; never raised itself."""

    reason: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 11


class InputError(LdrpsError):
    """Base of what the caller can mend."""


class SettingsError(InputError):
    """A setting has a value it cannot have."""

    reason = "settings"
    exit_code = 2


class PhotoError(InputError):
    """The file or raster is missing, broken, or of a kind we do not take."""

    reason = "photo"
    exit_code = 3


class LimitError(InputError):
    """Larger than a configured limit allows."""

    reason = "limit"
    exit_code = 4


class OutputError(LdrpsError):
    """The result cannot be written where it should go."""

    reason = "output"
    exit_code = 5


class ModelError(LdrpsError):
    """A model is missing, broken, or unknown."""

    reason = "model"
    exit_code = 6


class UnavailableError(LdrpsError):
    """No daemon answers, or it went away before the end."""

    reason = "unavailable"
    exit_code = 7


class BusyError(LdrpsError):
    """The queue is full; `retry_after` seconds is a good time to wait."""

    reason = "busy"
    exit_code = 8

    def __init__(self, message: str, retry_after: float = 10.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFoundError(LdrpsError):
    """No job has this id (any more)."""

    reason = "not-found"
    exit_code = 9


class CancelledError(LdrpsError):
    """The job was cancelled before it ended."""

    reason = "cancelled"
    exit_code = 10


class InternalError(LdrpsError):
    """A worker died, or a bug of ours showed itself."""

    reason = "internal"
    exit_code = 11


class AccessError(LdrpsError):
    """The daemon does not let this caller in; trying again is no use."""

    reason = "access"
    exit_code = 12


def _leaves(base: type[LdrpsError]) -> list[type[LdrpsError]]:
    return [leaf for sub in base.__subclasses__() for leaf in (_leaves(sub) or [sub])]


BY_REASON: dict[str, type[LdrpsError]] = {kind.reason: kind for kind in _leaves(LdrpsError)}
"""From the word on the wire back to the class."""
