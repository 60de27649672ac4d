"""Rows of the journal: a job, and the time that one took, as they are written down."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_ID = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job as it is written down."""

    id: str
    key: str
    client: str
    header: bytes
    submitted_at: float
    started_at: float = 0.0
    running: int = 0
    """Daemons in a row that will have died with it, if this one does; 0: no worker has it."""
    waited: float = 0.0
    """Seconds in the queue so far."""
    crashes: int = 0
    crash_step: int = 0
    memory_saving: int = 0
    preemptions: int = 0
    cancelling: str = ""
    ended_at: float = 0.0
    ending: bytes | None = None
    """End event, serialised."""
    layers: bytes | None = None
    """Headers of the result's layers, one event after the other, see `eventlog.pack`."""
    boot: str = ""
    """Boot in whose time the next two are, see `clock.py`."""
    submitted_tick: float = 0.0
    ended_tick: float = 0.0

    def check(self) -> None:
        """Raise ValueError for values that this daemon would not write: files get damaged."""
        for name, kind in self.__annotations__.items():
            value = getattr(self, name)
            if not isinstance(value, _KINDS[kind]) or not _is_finite(value):
                raise ValueError(f"{name} is {value!r:.40}")
        # It becomes a path.
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id is {self.id!r:.40}")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time that one job took a worker."""

    kind: str
    pixels: int
    seconds: float
    marks: tuple[float, ...] = ()
    """Seconds until each tenth of its steps was done, see `estimates.Course`; empty: unknown."""


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bytes": (bytes,),
    "int": (int,),
    "float": (float, int),
    "bytes | None": (bytes, type(None)),
}
COLUMNS = tuple(Row.__annotations__)


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
