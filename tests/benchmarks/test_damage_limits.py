"""Comparison of limits: what each finds, misses and fills in vain."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from benchmarks.damage_limits import Case, row
from ldrps_engine.analysis.damage_pieces import BELIEVED
from support import pictures


def case(lines, probability):
    """A photo with white lines in some columns, and as much probability there."""
    clean = pictures.natural(96, 128).astype(np.float64)
    mask = np.zeros(clean.shape[:2], bool)
    mask[4:92, lines] = True
    made = Case(clean, np.where(mask[..., None], 1, clean).astype(np.float32), mask)
    made.__dict__["likely"] = np.where(mask, probability, 0.001).astype(np.float32)
    return made


def test_a_limit_below_what_the_network_says_finds_it_and_one_above_does_not():
    damaged, good = case(slice(40, 43), 0.88), case(slice(0, 0), 0.0)
    found, missed = (
        row(replace(BELIEVED, surely=surely), [damaged], [good]).split() for surely in (0.85, 0.9)
    )
    assert found[:4] == [f"{BELIEVED.marked:.2f}", "0.85", "0.50", "3.0"]
    assert float(found[6]) > float(missed[6]) + 6
    assert float(found[7]) > float(missed[7])
    assert (found[9], missed[9]) == ("1.000", "0.000")
    assert (found[10], missed[10]) == ("0.000", "0.000")


def test_what_is_filled_in_vain_is_reported():
    wire = case(slice(60, 62), 0.95)
    wire = Case(wire.clean, wire.clean.astype(np.float32), np.zeros_like(wire.mask))
    wire.__dict__["likely"] = case(slice(60, 62), 0.95).likely
    reported = row(BELIEVED, [case(slice(40, 43), 0.92)], [wire]).split()
    assert float(reported[10]) > 1
