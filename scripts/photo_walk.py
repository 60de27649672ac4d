"""The walk of a photo through the engine: `python -m scripts.photo_walk [FILE ...]`.

A reader who follows a photo reads `restore()` in the order in which it runs. A function that it
calls in another file takes him there, and back when it returns. Each uninterrupted time in one file
is a stay, returns included; a function is read once, and attributes, constructors and closures are
taken for what their names say. The photo is drawn: dark and noisy, with a scratch to be filled, so
that no stage is idle. A FILE (`diffusion/pilot.py`) is walked in the same way instead.
"""

from __future__ import annotations

import inspect
import sys
import threading
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ldrps_engine.photo import Photo
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings

ENGINE = Path(restore.__code__.co_filename).parent

Call = tuple[str, str, int]
"""A call's file within the engine, qualified name, and depth."""


class _Tracer:
    """Calls between the engine's functions, in the thread that it is started in."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open: list[FrameType] = []
        self._thread = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call; a profile function of `sys.setprofile`."""
        code = frame.f_code
        if threading.get_ident() != self._thread or not code.co_filename.startswith(str(ENGINE)):
            return
        if event == "return":
            # A generator that is closed returns without its frame being the innermost one.
            while self._open and self._open.pop() is not frame:
                pass
        elif event == "call":
            self._open.append(frame)
            name = "" if _is_read_by_name(frame) else code.co_qualname
            file = Path(code.co_filename).relative_to(ENGINE).as_posix()
            self.calls.append((file, name, len(self._open)))


def _is_read_by_name(frame: FrameType) -> bool:
    """Tell whether a call is an attribute, a constructor, a closure or the body of a class."""
    name = frame.f_code.co_name
    attribute = getattr(type(frame.f_locals.get("self")), name, None)
    return (
        name.startswith(("<", "__"))
        or not frame.f_code.co_flags & inspect.CO_OPTIMIZED
        or "<locals>" in frame.f_code.co_qualname
        or isinstance(attribute, property | cached_property)
    )


def photo() -> tuple[Photo, Settings]:
    """A drawn photo for which no stage is idle, and the settings that have it restored."""
    y, x = np.mgrid[:192, :256] / 256
    rng = np.random.default_rng(0)
    waves = np.stack([0.5 + 0.3 * np.sin(20 * x * (k + 1) + 9 * y * (3 - k)) for k in range(3)], 2)
    noisy = np.clip(0.12 * waves + rng.normal(0, 12 / 255, waves.shape), 0, 1)
    mask = np.zeros(noisy.shape[:2], bool)
    mask[40:44, 20:200] = True
    noisy[mask] = 1
    dark = Photo.from_samples(np.rint(noisy * 255).astype(np.uint8)).with_damage(mask)
    return dark, Settings(recipe="low-light", damage="mask", steps=2)


def calls() -> list[Call]:
    """Calls that restoring the photo makes, in order."""
    trace, (drawn, settings) = _Tracer(), photo()
    models = ModelCache("cpu")
    sys.setprofile(trace)
    try:
        restore(drawn, settings, models)
    finally:
        sys.setprofile(None)
    return trace.calls


def walk(made: list[Call], hub: str) -> list[tuple[str, str]]:
    """Stays of a reader of the file `hub`: each file, and the function that leads there."""
    stays: list[tuple[str, str]] = []
    inside: list[tuple[str, int]] = []
    read = set()
    for file, name, depth in made:
        while inside and inside[-1][1] >= depth:
            inside.pop()
        caller = inside[-1] if inside else None
        if file == hub and name:
            inside.append((file, depth))
            if not stays:
                stays.append((hub, name))
        elif caller == (hub, depth - 1) and name and (file, name) not in read:
            read.add((file, name))
            if stays[-1][0] != hub:
                stays.append((hub, "returned"))
            stays.append((file, name))
    return [*stays, (hub, "returned")] if len(stays) > 1 else stays


def main() -> None:
    """Print the walk through `restore()`, or through the files that are named."""
    made = calls()
    for hub in sys.argv[1:] or ["restore.py"]:
        stays = walk(made, hub)
        for file, name in stays:
            print(f"{file:26} {name}")
        files = {file for file, _ in stays}
        print(f"{hub}: {len(stays)} stays in {len(files)} files\n")


if __name__ == "__main__":
    main()
