"""Photos one after the other: whatever happens to one, the rest is tried."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ldrps_client._text import named
from ldrps_client.cli._output import error_record, output_fails, print_json, say, unforeseen
from ldrps_engine.errors import LdrpsError

T = TypeVar("T")
Record = dict[str, Any]


class TerminatedError(KeyboardInterrupt):
    """End by SIGTERM, as a script's time limit sends it."""


def run_batch(
    photos: Iterable[tuple[Path, T]],
    work: Callable[[Path, T], Record],
    *,
    as_json: bool,
    on_record: Callable[[Record], None] = lambda _: None,
) -> int:
    """Do the work for every photo; the exit code is that of the first that failed.

    `work` returns what --json prints of a photo. It is printed even where Ctrl-C or SIGTERM ends
    the batch early. `on_record` receives each record as soon as there is one.
    """
    records: list[Record] = []
    try:
        with ending_on_sigterm():
            for photo, task in photos:
                records.append(_record(photo, task, work))
                on_record(records[-1])
    finally:
        if as_json:
            print_json({"results": records})
    return next((r["error"]["exit_code"] for r in records if "error" in r), 0)


def _record(photo: Path, task: T, work: Callable[[Path, T], Record]) -> Record:
    try:
        return work(photo, task)
    except BrokenPipeError:
        # There is no reader any more, which is no photo's trouble.
        raise
    except LdrpsError as error:
        trouble = error
    except Exception as bug:
        if output_fails(bug):
            raise
        trouble = unforeseen(bug)
    say(trouble)
    return {**named("photo", photo), "error": error_record(trouble)}


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that it can tidy up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> NoReturn:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
