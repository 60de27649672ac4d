"""Failures that pass by themselves, and the time to wait for that."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from enum import Enum, auto

from ldrps_engine.errors import (
    AccessError,
    BusyError,
    InternalError,
    LdrpsError,
    ModelError,
    NotFoundError,
    OutputError,
    PhotoError,
    UnavailableError,
)

MAX_TRIES = 3
"""Tries of one photo, for errors that the photo itself may cause."""
GIVE_UP = 6
"""Waits in a row after which a single run ends with the error that it waited for."""
# Nothing can be opened just now, whatever it is: the process or the machine has no more to give,
# or the network is away.
_SHORT_OF = frozenset(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENETDOWN", "ENETUNREACH", "ETIMEDOUT", "ECONNABORTED", "ECONNRESET", "EAGAIN", "EINTR"),
    )
)
_PASSING = _SHORT_OF | frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "ENXIO", "ESTALE", "EBUSY"),
        *("EREMOTEIO", "ENOLINK"),
    )
)


_OF_THE_DAEMON = (AccessError, BusyError, ModelError, NotFoundError, UnavailableError)


class RetryDecision(Enum):
    """Reaction to a trouble."""

    WAIT = auto()
    """Everything waits, and the photo is tried again: the trouble is not its own."""
    RETRY = auto()
    """The photo is tried again later, a few times: the trouble may be its own. Others go on."""
    FAIL = auto()
    """The photo is listed as failed: trying again would not help."""


def retry_decision(error: LdrpsError) -> RetryDecision:
    """Return the reaction to an error that came with a photo."""
    # One missing model, or one wrong token, must not list ten thousand photos as failed.
    if isinstance(error, _OF_THE_DAEMON):
        return RetryDecision.WAIT
    if is_common(error):
        return RetryDecision.WAIT
    if isinstance(error, OutputError):
        return RetryDecision.WAIT if is_passing(error) else RetryDecision.FAIL
    if isinstance(error, InternalError | PhotoError):
        return RetryDecision.RETRY
    return RetryDecision.FAIL


def is_passing(error: BaseException) -> bool:
    """Tell whether the cause is a full disk, a mount that is away, or the like."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _PASSING)
        or type(cause).__module__ == "sqlite3"
        for cause in _causes(error)
    )


def is_lasting(error: BaseException) -> bool:
    """Tell whether somebody has to do something first: a single run need not wait for that."""
    return any(
        isinstance(cause, OSError) and cause.errno == errno.EROFS for cause in _causes(error)
    )


def is_common(error: BaseException) -> bool:
    """Tell whether the cause would hit any photo now, in reading as in writing."""
    return any(isinstance(cause, OSError) and cause.errno in _SHORT_OF for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def unforeseen(bug: Exception) -> InternalError:
    """Turn a bug into one sentence."""
    what = " ".join(f"{type(bug).__name__}: {bug}".split())
    error = InternalError(f"an unforeseen error ({what}); please report it")
    error.__cause__ = bug
    return error


class Backoff:
    """Longer and longer pauses while a trouble lasts."""

    def __init__(self, first: float = 0.5, longest: float = 60.0) -> None:
        """Take the first and the longest pause in seconds."""
        self._first = first
        self._longest = longest
        self.failures = 0

    def next(self) -> float:
        """Count one more failure, and return the seconds to pause now."""
        pause = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return pause

    def reset(self) -> None:
        """Start over after a success."""
        self.failures = 0
