"""A phrase for people from what the semantic encoder is sure of; empty where it is not. No torch.

Probabilities of the ImageNet-1k classes are added up into a few dozen plain words, in
`models/semantic/words.tsv`. A word is said where its sum reaches what was right about 95 times of
100 on open photos (docs/research/model-card.md, "Words"); one that never is was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.recognition import Recognition

Array = NDArray[np.float32]

TABLE = Path(__file__).parents[1] / "models/semantic/words.tsv"

THING, PLACE = "thing", "place"

# Most that a picture may look like a page or a drawing and still be described.
_PHOTO_BELOW = 0.2
# Least probability of a second word, 0 to 1, of what the first one leaves.
_BESIDE = 0.8
# Least probability that the first word has to leave for a second one to be looked for.
_LEAST_LEFT = 0.05


@dataclass(frozen=True)
class Word:
    """Name of one or more classes."""

    text: str
    """With its article."""
    kind: str
    """THING or PLACE."""
    surely: float
    """Least probability, 0 to 1, from which it is said; of what a word of the other kind leaves."""
    classes: tuple[int, ...]
    """Indices in ImageNet-1k, from 0."""


@cache
def vocabulary(table: Path = TABLE) -> tuple[Word, ...]:
    """Words of a table, those of a kind from the most particular to the most general."""
    lines = table.read_text(encoding="utf-8").splitlines()
    return tuple(_word(line) for line in lines if line and not line.startswith("#"))


def name_scene(seen: Recognition) -> str:
    """Say what a photo shows: a place with a thing, one of them, or nothing."""
    if seen.graphic >= _PHOTO_BELOW:
        return ""
    return phrase(seen.seen.logits)


def phrase(logits: Array) -> str:
    """Put the log-odds (1000,) of the classes into words."""
    shares = np.exp(logits - logits.max())
    shares = shares / shares.sum()
    # The classes share one probability: what one word takes is not there for the other. Nor may a
    # class speak twice, a chair for the room as well.
    if thing := _sure(shares, THING):
        place = _sure(_without(shares, thing), PLACE, at_least=_BESIDE)
    elif place := _sure(shares, PLACE):
        thing = _sure(_without(shares, place), THING, at_least=_BESIDE)
    return " with ".join(word.text for word in (place, thing) if word)


def _sure(shares: Array, kind: str, at_least: float = 0.0) -> Word | None:
    """Pick the first word of a kind that is certain enough."""
    for word in vocabulary():
        if word.kind == kind and _total(shares, word) >= max(word.surely, at_least):
            return word
    return None


def _without(shares: Array, word: Word) -> Array:
    """Class probabilities renormalised without a word's classes; zeros if too little remains."""
    rest = shares.copy()
    rest[list(word.classes)] = 0
    left = float(rest.sum())
    return rest / left if left >= _LEAST_LEFT else np.zeros_like(rest)


def _total(shares: Array, word: Word) -> float:
    return float(shares[list(word.classes)].sum())


def _word(line: str) -> Word:
    text, kind, surely, classes = line.split("\t")
    return Word(text, kind, float(surely), tuple(indices(classes)))


def indices(ranges: str) -> Iterator[int]:
    """Read indices from '3,5-7'."""
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
