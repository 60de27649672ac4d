"""Descriptions for people: how often is something said of a photo, and how often is it right?

    python benchmarks/descriptions.py PHOTOS [--limit N] [--views plain,dark,grey,noise] [--wrong]

PHOTOS holds a manifest.tsv with the columns file, source and text. Its held-out rows whose text is
a label or a caption are described, as they are and degraded, and the words are held against the
text by the patterns of description_truth.tsv. A label names one thing and says nothing about
the place around it: such words are not judged. Pictures of benchmarks/no_photos.py are described
too; no page may get words. `--fit` prints for each word of the vocabulary how often it is right on
all other rows, by the probability from which it is said.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import no_photos
from benchmarks.cases import manifest
from benchmarks.errors import BenchmarkError
from benchmarks.labelled import EVERY, Photograph, read, spread
from benchmarks.sets import DERIVED_SEED, Floats
from ldrps_engine.analysis.recognition import Recognition, recognise
from ldrps_engine.captioning.naming import PLACE, Word, name_scene, vocabulary
from ldrps_engine.colour.srgb import decode, encode
from training.metrics import LUMA

TRUTH = Path(__file__).with_name("description_truth.tsv")

CAPTIONED = ("Flickr8k", "openstax")
LABELLED = ("Caltech", "clothing", "Grocery", "flower", "ImageNet", "ferrari", "Mangrove")
"""Parts of the names of sources whose texts are sentences, and labels."""
VAGUE = ("", "-", "Not sure", "Other", "assorted")

DARK, SIGMA = 0.15, 25
STEPS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97)

RIGHT, WRONG, UNKNOWN = "right", "wrong", "not judged"


def _dark(pixels: Floats) -> Floats:
    return encode(decode(pixels) * DARK)


def _grey(pixels: Floats) -> Floats:
    return np.repeat((pixels @ LUMA)[..., None], 3, axis=2)


def _noise(pixels: Floats) -> Floats:
    rng = np.random.default_rng(DERIVED_SEED)
    return np.clip(pixels + rng.normal(0, SIGMA / 255, pixels.shape), 0, 1)


VIEWS: dict[str, Callable[[Floats], Floats]] = {
    "plain": np.asarray,
    "dark": _dark,
    "grey": _grey,
    "noise": _noise,
}
"""As the photo is, light x 0.15, without colour, with noise of 25 steps of 8 bits."""


@dataclass(frozen=True, kw_only=True)
class Captioned(Photograph):
    """A photo with what a person said about it."""

    text: str
    is_caption: bool
    """True where the text speaks of all that is seen and not of one thing."""


@dataclass(frozen=True)
class Said:
    """Description of one view of a photo."""

    photo: Captioned
    view: str
    phrase: str

    @property
    def verdict(self) -> str:
        """Wrong if one word is, right if one is and none is wrong; empty where nothing was said."""
        verdicts = [judge(word, self.photo) for word in words_in(self.phrase)]
        return next((v for v in (WRONG, RIGHT, UNKNOWN) if v in verdicts), "")


def captioned(folder: Path, *, held_out: bool) -> list[Captioned]:
    """Photos of `folder/manifest.tsv` with a label or a caption, of the held-out rows or not."""
    found = []
    for index, row in enumerate(manifest(folder)):
        source, text = row["source"], row["text"] or ""
        is_caption = any(name in source for name in CAPTIONED)
        known = is_caption or any(name in source for name in LABELLED)
        if known and text not in VAGUE and (index % EVERY == 0) == held_out:
            path = folder / row["file"]
            found.append(Captioned(row["file"], path, source, text=text, is_caption=is_caption))
    return found


@cache
def truth() -> dict[str, re.Pattern[str]]:
    """Patterns by word of the vocabulary."""
    with TRUTH.open(newline="", encoding="utf-8") as lines:
        rows = csv.reader((line for line in lines if line[0] != "#"), delimiter="\t", quoting=3)
        raw = dict(rows)

    def flat(word: str) -> str:
        parts = (flat(p[1:]) if p.startswith("@") else p for p in raw[word].split("|"))
        return "|".join(parts)

    return {word: re.compile(rf"\b(?:{flat(word)})", re.IGNORECASE) for word in raw}


def judge(word: Word, photo: Captioned) -> str:
    """Hold a word against what a person said."""
    if truth()[word.text].search(photo.text):
        return RIGHT
    return UNKNOWN if word.kind == PLACE and not photo.is_caption else WRONG


def words_in(phrase: str) -> list[Word]:
    """Words of the vocabulary that a phrase is made of."""
    parts = phrase.split(" with ")
    return [word for word in vocabulary() if word.text in parts]


def look(photos: Iterable[Captioned], views: Iterable[str]) -> Iterator[tuple[Said, Recognition]]:
    """Describe every view of every photo."""
    for photo in photos:
        pixels = read(photo.path)[..., :3].astype(np.float32) / 255
        for view in views:
            seen = recognise(VIEWS[view](pixels).astype(np.float32))
            yield Said(photo, view, name_scene(seen)), seen


def report(found: list[Said], views: list[str], *, wrong: bool) -> None:
    """Print how much was said and how much of it is right, by view and by word."""
    print("| view | photos | said | right | wrong | not judged | right of what was judged |")
    print("|---|---|---|---|---|---|---|")
    for view in views:
        verdicts = Counter(said.verdict for said in found if said.view == view)
        counts = [verdicts[v] for v in (RIGHT, WRONG, UNKNOWN)]
        cells = [view, verdicts.total(), sum(counts), *counts, _share(counts[0], counts[1])]
        print("| " + " | ".join(str(cell) for cell in cells) + " |")
    print("\n| word | right | wrong | not judged |\n|---|---|---|---|")
    by_word = Counter((w.text, judge(w, s.photo)) for s in found for w in words_in(s.phrase))
    for word in vocabulary():
        print(f"| {word.text} | " + " | ".join(_cells(by_word, word.text)) + " |")
    for said in found if wrong else ():
        if said.verdict == WRONG:
            print(f"{said.photo.name} ({said.view}): {said.phrase}; {said.photo.text[:100]}")


def _cells(by_word: Counter[tuple[str, str]], word: str) -> list[str]:
    return [str(by_word[word, verdict]) for verdict in (RIGHT, WRONG, UNKNOWN)]


def _share(right: int, wrong: int) -> str:
    return f"{right / (right + wrong):.1%}" if right + wrong else "-"


def report_fit(photos: list[Captioned]) -> None:
    """Print for each word how often it is right, by the probability from which it is said."""
    logits = [(said.photo, seen.seen.logits) for said, seen in look(photos, ["plain"])]
    print("| word | " + " | ".join(str(step) for step in STEPS) + " |")
    print("|---" * (1 + len(STEPS)) + "|")
    for word in vocabulary():
        cells = []
        for step in STEPS:
            sure = [photo for photo, each in logits if _probability(each, word) >= step]
            verdicts = Counter(judge(word, photo) for photo in sure)
            cells.append(f"{verdicts[RIGHT]}/{verdicts[RIGHT] + verdicts[WRONG]}")
        print(f"| {word.text} | " + " | ".join(cells) + " |")


def _probability(logits: NDArray[np.float32], word: Word) -> float:
    shares = np.exp(logits - logits.max())
    return float(shares[list(word.classes)].sum() / shares.sum())


def report_drawings() -> None:
    """Print what is said of pictures that are no photos, or look degraded on purpose."""
    said = []
    for drawing in no_photos.DRAWINGS:
        seen = recognise(np.asarray(no_photos.draw(drawing)[..., :3] / 255, np.float32))
        if phrase := name_scene(seen):
            said.append(f"{drawing.name}: {phrase}")
    print(f"\nof {len(no_photos.DRAWINGS)} drawings {len(said)} get words", *said, sep="\n")


def main(arguments: list[str] | None = None) -> int:
    """Describe and print."""
    options = _parser().parse_args(arguments)
    views: list[str] = options.views.split(",")
    if unknown := [view for view in views if view not in VIEWS]:
        print(f"descriptions: no view '{unknown[0]}'; use {', '.join(VIEWS)}", file=sys.stderr)
        return 2
    try:
        chosen = spread(captioned(options.photos, held_out=not options.fit), options.limit)
        if options.fit:
            report_fit(chosen)
            return 0
        report([said for said, _ in look(chosen, views)], views, wrong=options.wrong)
        report_drawings()
    except BenchmarkError as error:
        print(f"descriptions: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, help="at most so many photos, evenly over all")
    parser.add_argument("--views", default=",".join(VIEWS), help="which, by commas")
    parser.add_argument("--wrong", action="store_true", help="list what was wrong")
    parser.add_argument("--fit", action="store_true", help="choose probabilities on other rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
