"""Hints at the name that is meant where an unknown one was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str], former: Mapping[str, str] | None = None) -> str:
    """Return `; did you mean NAME?` for an unknown name; empty where nothing looks like it.

    `former` says what stands for a former name today: a name out of `known`, or words.
    """
    today = {
        before: after for before, after in (former or {}).items() if after in known or " " in after
    }
    found = get_close_matches(name, [*today, *known], 1)
    return f"; did you mean {today.get(found[0], found[0])}?" if found else ""
