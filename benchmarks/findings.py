"""From words to findings: those of a photographer's label, and those of a diagnosis.

A label is free text. Each finding has a few words that stand for it (VOCABULARY); they are looked
for as whole words, and the first one in the text is the *main* finding, which has to be named for
the photo to count as found. `good portrait` and the like, without any of the others, means that
nothing is wrong. A text with neither is an error: it would not say what to expect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.errors import BenchmarkError
from ldrps_engine.analysis.diagnosis import Diagnosis

VOCABULARY: Mapping[str, str] = {
    "dark": r"too dark|under-?exposed",
    "backlit": r"back-?lit|against the light",
    "hazy": r"hazy|haze|veiled",
    "noise": r"noise|noisy|grain|grainy",
    "cast": r"(?:colour )?cast|tinted",
    "faded": r"faded|fading",
    "toned": r"sepia|toned|toning",
    "damage": r"scratch(?:ed|es)?|cracks?|cracked|folds?|torn|dust|stains?",
    "blocks": r"(?:jpeg )?blocks",
}
"""Regular expressions of the words for each finding in a label, in lower case."""

FINDINGS = tuple(VOCABULARY)
"""All that is looked for. `dark` alone means nothing: dark corners and dark parts are no fault."""

FINE = "fine"
"""The kind of a labelled photo with which nothing is wrong."""

_FINE = re.compile(
    r"\b(?:good (?:photo|picture|portrait|print)|fine photo|nothing (?:is )?wrong)\b"
)
_WORDS = {name: re.compile(rf"\b(?:{words})\b") for name, words in VOCABULARY.items()}

_ALSO_RIGHT: Mapping[str, tuple[str, ...]] = {
    # The subject of a backlit photo is too dark; a toned print has a cast, and the other way round.
    "backlit": ("dark",),
    "cast": ("toned",),
    "toned": ("cast",),
}

_OPEN: Mapping[str, tuple[str, ...]] = {
    # What the labels are silent about, since it is not the first thing that is seen.
    "dark": ("noise", "blocks", "cast", "backlit"),
    "backlit": ("noise", "blocks", "dark"),
    "noise": ("blocks", "cast", "faded"),
    "cast": ("toned", "faded", "noise", "blocks", "damage"),
    "faded": ("cast", "toned", "noise", "blocks", "damage"),
    "toned": ("cast", "faded", "noise", "blocks", "damage"),
    "damage": ("cast", "toned", "faded", "noise", "blocks"),
}

# Other names under which a diagnosis may carry a finding.
_SPELLINGS: Mapping[str, str] = {
    "noisy": "noise",
    "grainy": "noise",
    "haze": "hazy",
    "veiled": "hazy",
    "darkness": "dark",
    "tinted": "cast",
    "damaged": "damage",
    "scratched": "damage",
    "blocky": "blocks",
    "fading": "faded",
    "toning": "toned",
    "backlight": "backlit",
}


@dataclass(frozen=True)
class Expected:
    """The findings a label speaks of, the main one first; none where nothing is wrong."""

    findings: tuple[str, ...]

    @property
    def main(self) -> str:
        """The finding that has to be named, or FINE."""
        return self.findings[0] if self.findings else FINE

    @property
    def accepted(self) -> frozenset[str]:
        """Findings that count as the main one."""
        return accepted(self.main)

    def truth(self, finding: str) -> bool | None:
        """Tell if a finding holds; None where the label leaves it open."""
        if finding in self.findings:
            return True
        return None if finding in _OPEN.get(self.main, ()) else False


def accepted(main: str) -> frozenset[str]:
    """The findings that are right for a photo whose main one this is."""
    return frozenset() if main == FINE else frozenset({main, *_ALSO_RIGHT.get(main, ())})


def expected(text: str) -> Expected:
    """Read a label; BenchmarkError where it holds no word of the vocabulary."""
    lower = text.lower()
    first = {
        name: found.start() for name, words in _WORDS.items() if (found := words.search(lower))
    }
    if not first and not _FINE.search(lower):
        raise BenchmarkError(
            f"'{text}' names no finding; use words for {', '.join(FINDINGS)}, or say 'good photo'"
        )
    main, *rest = sorted(first, key=first.__getitem__) or [FINE]
    if main == FINE:
        return Expected(())
    # "Backlit: the subject is too dark" is one finding, under either of its names.
    return Expected((main, *(finding for finding in rest if finding not in accepted(main))))


def named(diagnosis: Diagnosis) -> tuple[str, ...]:
    """List what a diagnosis names: its properties `is_...` that hold, and toning."""
    kind = type(diagnosis)
    holds = [
        name.removeprefix("is_")
        for name in dir(kind)
        if name.startswith("is_")
        and isinstance(getattr(kind, name), property)
        and getattr(diagnosis, name)
    ]
    if diagnosis.toned:
        holds.append("toned")
    return _in_order(holds)


def probabilities(diagnosis: Diagnosis) -> tuple[dict[str, float], bool]:
    """Read a probability for each finding that the diagnosis judges, and if it gave any itself.

    One that gives none is taken at its word: 1 for what it names and 0 for the rest.
    """
    given: Mapping[str, float] = diagnosis.probabilities
    if not given:
        said = named(diagnosis)
        return {finding: float(finding in said) for finding in FINDINGS}, False
    spelt = {_SPELLINGS.get(name, name): float(value) for name, value in given.items()}
    return {finding: spelt[finding] for finding in FINDINGS if finding in spelt}, True


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    spelt = {_SPELLINGS.get(name, name) for name in names}
    return tuple(finding for finding in FINDINGS if finding in spelt)
