"""Errors, as one class: a word for programs and a sentence for people."""

from __future__ import annotations


class RestoreError(Exception):
    """Error with a `reason` of the protocol's list (`settings`, `photo`, `unavailable` ...)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CancelledError(RestoreError):
    """End of a restoration that the user, or someone for them, does not want any more."""

    def __init__(self, message: str = "the job was cancelled") -> None:
        super().__init__("cancelled", message)
