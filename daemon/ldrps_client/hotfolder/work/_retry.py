"""Which troubles pass by themselves, and how long to wait for that."""

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
"""At one photo, for troubles that may be the photo's own."""
GIVE_UP = 6
"""Waits in a row after which a single run ends with what it waited for."""
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
    """What to do after a trouble."""

    WAIT = auto()
    """It is not the photo's: everything waits, and the photo is tried again."""
    RETRY = auto()
    """It may be the photo's: tried again later, a few times; others go on."""
    FAIL = auto()
    """Trying again would not help: the photo is listed as failed."""


def retry_decision(error: LdrpsError) -> RetryDecision:
    """What an error means for the photo that it came with."""
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
    """Whether behind an error is a disk that is full, a mount that is away, or the like."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _PASSING)
        or type(cause).__module__ == "sqlite3"
        for cause in _causes(error)
    )


def is_common(error: BaseException) -> bool:
    """Tell if behind an error is what any photo would meet now, in reading as in writing."""
    return any(isinstance(cause, OSError) and cause.errno in _SHORT_OF for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def unforeseen(bug: Exception) -> InternalError:
    """A bug that showed itself, as one sentence."""
    what = " ".join(f"{type(bug).__name__}: {bug}".split())
    error = InternalError(f"an unforeseen error ({what}); please report it")
    error.__cause__ = bug
    return error


class Backoff:
    """Longer and longer pauses while a trouble lasts."""

    def __init__(self, first: float = 0.5, longest: float = 60.0) -> None:
        """In seconds."""
        self._first = first
        self._longest = longest
        self.failures = 0

    def next(self) -> float:
        """How long to pause now, one more failure counted."""
        pause = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return pause

    def reset(self) -> None:
        """It went well."""
        self.failures = 0
