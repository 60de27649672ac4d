"""Schedule of work: within the hours, at the rate, on mains, and so many at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ldrps_client.hotfolder.config import Schedule

_SUPPLIES = Path("/sys/class/power_supply")


class Scheduler:
    """Schedule shared by all folders of a watcher."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = datetime.now,
        supplies: Path = _SUPPLIES,
    ) -> None:
        self._schedule = schedule
        self._clock = clock
        self._wall = wall
        self._supplies = supplies
        self._lock = threading.Lock()
        self._next_start = clock()
        self._places = threading.BoundedSemaphore(schedule.parallel)

    def closed(self) -> str:
        """Explain why no photo may begin now; empty if one may."""
        schedule = self._schedule
        if schedule.hours:
            begin, end = schedule.hours
            now = self._wall().time()
            inside = begin <= now < end if begin < end else now >= begin or now < end
            if not inside:
                return f"outside the hours from {begin:%H:%M} to {end:%H:%M}"
        if schedule.pause_on_battery and on_battery(self._supplies):
            return "on battery"
        if schedule.per_hour and self._clock() < self._next_start:
            return f"at most {schedule.per_hour:g} photos an hour"
        return ""

    def began(self) -> None:
        """Note that a photo has begun."""
        if self._schedule.per_hour:
            with self._lock:
                begin = max(self._clock(), self._next_start)
                self._next_start = begin + 3600 / self._schedule.per_hour

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places for photos worked on at the same time."""
        with self._places:
            yield


def on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Tell whether the machine runs on battery: no mains is online, and a battery discharges."""
    kinds = {supply: _word(supply / "type") for supply in _listed(supplies)}
    if any(kind == "Mains" and _word(s / "online") == "1" for s, kind in kinds.items()):
        return False
    return any(
        kind == "Battery"
        and _word(s / "status") == "Discharging"
        and _word(s / "scope") != "Device"
        for s, kind in kinds.items()
    )


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
