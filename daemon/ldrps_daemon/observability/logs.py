"""The log: lines for people or JSON for programs, with job ids, never with pixels or prompts."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(log_format: str, level: int = logging.INFO) -> None:
    """Log to standard error, as `text` or as `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields given as `extra`."""
    # Libraries may add underscored ones to every record, as Ray does.
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _PLAIN and not name.startswith("_")
    }


class TextFormatter(logging.Formatter):
    """Time, level, logger and message, then the fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format one line."""
        said = (f"{name}={value}" for name, value in _fields(record).items())
        return " ".join([super().formatMessage(record), *said])


class JsonFormatter(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `message`, the fields, `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)
