"""A describer's opinion of a photo, read as data and never as an instruction. No torch.

Its answer is text that may have been copied from the photo. So it is truncated, stripped of
everything but words, and its figures are clamped; none of it is run or opened, and it is passed on
only as a description that the user sees.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

MOST_WORDS = 20
MOST_CHARACTERS = 160
FAULTS = ("dark", "haze", "noise", "tint", "faded", "grey")
"""Faults that a describer is asked to rate, from 0 (none) to 1 (as bad as it gets)."""

_MOST_ANSWER = 4000
_LEAST_WORDS = 2
_WORD = re.compile(r"[^\W_][^\W_]*(?:['’\-][^\W_]+)*[,.;]?")
_SCENE = re.compile(r'"scene"\s*:\s*"((?:[^"\\]|\\.)*)')
_LINK = re.compile(r"(?:\w+:)?//\S*|www\.\S+|\S+@\S+|<[^>]*>|\{[^}]*\}")


@dataclass(frozen=True)
class Opinion:
    """A scene in at most 20 words, and ratings of its faults."""

    scene: str
    source: str
    """Name of the describer."""
    faults: dict[str, float] = field(default_factory=dict)
    """Ratings of FAULTS, 0 to 1; only those mentioned."""


def read_answer(text: str, source: str) -> Opinion | None:
    """The opinion in a model's answer; None if there is no scene in it.

    Valid JSON is taken whole. From a truncated answer only the scene is taken, and only if it is
    complete.
    """
    text = text[:_MOST_ANSWER]
    found = _object_in(text)
    if found is not None:
        scene, faults = clean_scene(found.get("scene")), _clean_faults(found.get("faults"))
    else:
        begun = _SCENE.search(text)
        scene, faults = clean_scene(begun[1] if begun else None), {}
    return Opinion(scene, source, faults) if scene else None


def clean_scene(value: Any) -> str:
    """Return at most 20 words of plain letters and digits; empty if there are not at least two."""
    if not isinstance(value, str):
        return ""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in value)
    plain = unicodedata.normalize("NFKC", _LINK.sub(" ", plain))
    words = _WORD.findall(plain)[:MOST_WORDS]
    kept = ""
    for word in words:
        longer = f"{kept} {word}".strip()
        if len(longer) > MOST_CHARACTERS:
            break
        kept = longer
    return kept.rstrip(",;") if len(kept.split()) >= _LEAST_WORDS else ""


def _clean_faults(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    found = {}
    for name in FAULTS:
        amount = value.get(name)
        # bool is an int to Python, but "true" is no amount.
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            continue
        if math.isfinite(amount):
            found[name] = min(max(float(amount), 0.0), 1.0)
    return found


def _object_in(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, whatever stands around it."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
