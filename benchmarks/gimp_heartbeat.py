"""Instrument inside GIMP's plug-in for `benchmarks.gimp_dialog`: what the dialog does, and when.

Writes lines of JSON to /mnt/shared/notes-PID: when the dialog, a diagnosis and a place were there
to be seen, and when its events were not turned for longer than they should, with what ran then.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from ldrps_gimp import plug_in

_BEAT_MS = 20
_LOOK_SECONDS = 0.01
# Seconds between two beats that are noted.
_LATE = 0.06
_TICKS = os.sysconf("SC_CLK_TCK")


class Heart:
    """Notes when its beats are late."""

    def __init__(self) -> None:
        self._file = open(f"/mnt/shared/notes-{os.getpid()}", "a", buffering=1)  # noqa: SIM115
        self._last, self._cpu = time.monotonic(), _busy()
        self._seen: Counter[str] = Counter()
        self._main = threading.get_ident()
        self._has_window = False
        GLib.timeout_add(_BEAT_MS, self._beat, priority=GLib.PRIORITY_DEFAULT)
        threading.Thread(target=self._watch, daemon=True).start()

    def note(self, what: str, **more: Any) -> None:
        """Write a line."""
        self._file.write(json.dumps({"what": what, "at": time.monotonic(), **more}) + "\n")

    def _beat(self) -> bool:
        now, busy = time.monotonic(), _busy()
        passed = now - self._last
        if passed > _LATE:
            where = "; ".join(f"{count}x {at}" for at, count in self._seen.most_common(3))
            # Before there is a window, nothing of ours can stand still.
            what = "gap" if self._has_window else "opening"
            self.note(what, seconds=passed, busy=busy - self._cpu, where=where)
        self._seen.clear()
        self._last, self._cpu = now, busy
        if not self._has_window:
            self._look_for_window()
        return True

    def _look_for_window(self) -> None:
        from gi.repository import Gtk

        if any(each.get_mapped() for each in Gtk.Window.list_toplevels()):
            self._has_window = True
            # After it was drawn.
            GLib.idle_add(lambda: self.note("dialog"), priority=GLib.PRIORITY_HIGH_IDLE + 40)

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            if time.monotonic() - self._last > _LATE / 2:
                self._seen[_stack(sys._current_frames().get(self._main))] += 1


def _busy() -> float:
    """Processor time of this process and of GIMP."""
    ticks = 0
    for pid in (os.getpid(), os.getppid()):
        with open(f"/proc/{pid}/stat") as file:
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return ticks / _TICKS


def _stack(frame: Any) -> str:
    """Return the innermost calls, the last one first."""
    calls: list[str] = []
    while frame is not None and len(calls) < 6:
        code = frame.f_code
        calls.append(f"{os.path.basename(code.co_filename)}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(calls)


def _noted(heart: Heart, owner: Any, name: str, what: str, tells: Callable[..., bool]) -> None:
    """Note each call of a method for which `tells` says so, once what it shows is drawn."""
    method = getattr(owner, name)

    def noting(*args: Any, **named: Any) -> Any:
        done = method(*args, **named)
        if tells(*args):
            GLib.idle_add(lambda: heart.note(what), priority=GLib.PRIORITY_HIGH_IDLE + 40)
        return done

    setattr(owner, name, noting)


def _run_dialog(procedure: Any, config: Any, data: Any) -> Any:
    from ldrps_gimp.preview_pane import PreviewPane
    from ldrps_gimp.settings_column import SettingsColumn

    heart = Heart()
    found = "diagnosis"
    _noted(heart, SettingsColumn, "show_tones", found, lambda _self, news: "amounts" in news)
    for what in (found, "whole diagnosis"):
        _noted(heart, SettingsColumn, "show_found", what, lambda _self, news, *_fill: found in news)
    _noted(heart, PreviewPane, "show_place", "place", lambda *_args: True)
    done = _RUN(procedure, config, data)
    heart.note("end")
    return done


_RUN = plug_in._run_dialog
setattr(plug_in, "_run_dialog", _run_dialog)  # noqa: B010
