"""Choice of cases where all of them, in a real GIMP, would take minutes."""

import os

VARIABLE = "LDRPS_GIMP"
"""Suites to test in, comma-separated. Unset: the first, which CI has, and fewer cases."""


def some(cases, index, count):
    """Cases for the test of an index: all in `make test-gimp`; else as many as `count`, by turns.

    Neighbours get others, so that over all indices every case is tried.
    """
    if os.environ.get(VARIABLE):
        return list(cases)
    places = sorted((index * count + each) % len(cases) for each in range(count))
    return [cases[place] for place in places]
