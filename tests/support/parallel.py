"""Order and groups of the tests for a run in parallel (`pytest -n 2 --dist loadgroup`)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TOGETHER = {
    "gimp": "one GIMP, which listens at one place for all tests of a version",
    "cluster": "one Ray cluster of two nodes, which takes a while to start",
    "installed": "one wheel, built once",
    "chaos": "measures how long answers take",
}
"""Folders whose tests run in one worker, one after the other. Elsewhere a file is such a group, so
that its fixtures are made once."""
APART = ("hotfolder/test_kills.py",)
"""Files whose tests take a minute each and share nothing: any worker takes any of them."""
FIRST = ("installed", "gimp", "training", "chaos", "engine", "hotfolder", "e2e")
"""Slowest folders, which begin first, so that at the end no worker waits long for the others."""


def arrange(items):
    """Put tests into groups and into the order in which they begin."""
    for item in items:
        name, folder = _place(item)
        if folder is not None and name not in APART:
            item.add_marker(pytest.mark.xdist_group(folder if folder in TOGETHER else name))
    items.sort(key=_rank)


def _place(item):
    """Return (file below the tests, its folder), or neither for tests of somewhere else."""
    if TESTS not in item.path.parents:
        return None, None
    name = item.path.relative_to(TESTS).as_posix()
    return name, name.partition("/")[0]


def _rank(item):
    name, folder = _place(item)
    if name in APART:
        return 0
    return FIRST.index(folder) + 1 if folder in FIRST else len(FIRST) + 1
