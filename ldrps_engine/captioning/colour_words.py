"""Colours that a description gives to things: 'a red barn, and the boat is blue'. No torch.

Words are English and few: a colour before a noun, with up to two other words between, or behind it
('the boat is blue'). Nouns are those in `models/semantic/nouns.tsv`, things that the semantic
encoder can find in a photo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.captioning.naming import indices
from ldrps_engine.colour.srgb import YCC

Array = NDArray[np.float32]

TABLE = Path(__file__).parents[1] / "models/semantic/nouns.tsv"

COLOURS = {
    "red": (0.62, 0.18, 0.16),
    "orange": (0.80, 0.45, 0.15),
    "yellow": (0.82, 0.72, 0.25),
    "golden": (0.75, 0.60, 0.25),
    "green": (0.25, 0.52, 0.22),
    "olive": (0.45, 0.45, 0.22),
    "turquoise": (0.25, 0.62, 0.62),
    "blue": (0.18, 0.33, 0.66),
    "navy": (0.15, 0.20, 0.42),
    "purple": (0.45, 0.22, 0.58),
    "violet": (0.45, 0.25, 0.65),
    "pink": (0.85, 0.55, 0.65),
    "maroon": (0.42, 0.14, 0.17),
    "brown": (0.45, 0.30, 0.18),
    "beige": (0.76, 0.68, 0.54),
    "white": (0.9, 0.9, 0.9),
    "grey": (0.5, 0.5, 0.5),
    "gray": (0.5, 0.5, 0.5),
    "silver": (0.6, 0.6, 0.6),
    "black": (0.1, 0.1, 0.1),
}
"""Display values of things that people call so; only their chroma counts."""

_WORD = re.compile(r"[^\W\d_]+|[,;.:!?]")
_BETWEEN = 2
_LONGEST = 3
_IS = ("is", "are", "was", "were")


@dataclass(frozen=True)
class ColourWish:
    """One thing and the colour that it is said to have."""

    colour: str
    thing: str
    """Empty where no noun that is known goes with the colour."""
    classes: tuple[int, ...]
    """ImageNet-1k classes of the thing, from 0."""

    @property
    def text(self) -> str:
        """The words of it."""
        return f"{self.colour} {self.thing}".strip()

    @property
    def chroma(self) -> Array:
        """Cb and Cr in display values, (2,)."""
        return np.asarray((YCC @ np.array(COLOURS[self.colour], np.float32))[1:], np.float32)


@cache
def nouns(table: Path = TABLE) -> dict[str, tuple[int, ...]]:
    """Classes of each noun."""
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {noun: tuple(indices(classes)) for noun, classes in rows}


def colour_wishes(description: str) -> list[ColourWish]:
    """Read the colours in a description, in their order; of a thing's several the first counts."""
    words = _WORD.findall(description.lower())
    wishes: dict[str, ColourWish] = {}
    for place, word in enumerate(words):
        if word not in COLOURS:
            continue
        thing = _behind(words, place + 1) or _before(words, place)
        wish = ColourWish(word, thing, nouns()[thing] if thing else ())
        wishes.setdefault(thing or wish.text, wish)
    return list(wishes.values())


def _behind(words: list[str], start: int) -> str:
    """Find the noun that a colour stands before; the longest of those that begin first."""
    for first in range(start, min(start + _BETWEEN + 1, len(words))):
        # The next colour has a noun of its own, and a comma ends the phrase.
        if words[first] in COLOURS or not words[first].isalpha():
            return ""
        if thing := _noun_at(words, first):
            return thing
    return ""


def _noun_at(words: list[str], first: int) -> str:
    for count in range(_LONGEST, 0, -1):
        part = words[first : first + count]
        if len(part) == count and (found := _singular(" ".join(part))):
            return found
    return ""


def _before(words: list[str], place: int) -> str:
    """Find the noun of 'the boat is blue'."""
    if place < 2 or words[place - 1] not in _IS:
        return ""
    for count in range(_LONGEST, 0, -1):
        start = place - 1 - count
        if start >= 0 and (found := _singular(" ".join(words[start : place - 1]))):
            return found
    return ""


def _singular(word: str) -> str:
    """Return the noun of the table that a word is, also in the plural; empty if there is none."""
    # The word itself first: 'bus' is no plural of 'bu'.
    forms = [word]
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("s"):
        forms.append(word[:-1])
    return next((form for form in forms if form in nouns()), "")
