"""One line for each event: in a log file, and as other displays print it."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ldrps_client._text import cause, shown
from ldrps_engine.errors import OutputError

_BYTES, _FILES = 5 << 20, 3


def line_of(kind: str, photo: str, facts: dict[str, object]) -> str:
    """Format one line for display."""
    parts = [kind, shown(photo)] if photo else [kind]
    for name, value in facts.items():
        text = shown(str(value))
        if text:
            parts.append(text if name in ("message", "words") else f"{name}={text}")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Format a duration for display: 8.1 s, 3 min, 2.0 h."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Log:
    """A file with a line for each event, which is begun afresh before it gets large."""

    def __init__(self, path: Path, base: Path | None = None) -> None:
        """Open the log; paths are written from the folder `base`, None: whole, of any folder.

        OutputError if the file cannot be written.
        """
        self._base = base
        try:
            self._handler = RotatingFileHandler(
                path, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            why = cause(error)
            raise OutputError(f"the log {path} cannot be written: {why}; name another") from None
        # A full disk must not print stack traces over the terminal.
        self._handler.handleError = lambda record: None  # type: ignore[method-assign]
        self._handler.setFormatter(
            logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        )

    def write(self, folder: Path, kind: str, photo: str, facts: dict[str, object]) -> None:
        """Add a line; may be called from any thread."""
        about = photo if folder == self._base else str(folder / photo)
        line = line_of(kind, about, facts)
        self._handler.handle(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()
