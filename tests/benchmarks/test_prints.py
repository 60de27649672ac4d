"""Old prints drawn for the benchmark: the same without their damage, and what is counted."""

import numpy as np
import pytest

from benchmarks.drawn.prints import LONG_SIDE, drawn_print
from benchmarks.prints import found
from ldrps_engine.analysis.monochrome import is_monochrome
from support import pictures


def scan(seed):
    return drawn_print(pictures.natural(120, 160).astype(float), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_print_has_one_hue_and_differs_by_its_damage_alone(seed):
    made = scan(seed)
    assert made.mask.shape == (360, LONG_SIDE)
    assert is_monochrome(made.undamaged.astype(np.float32))
    assert 0.0003 < made.mask.mean() < 0.6
    apart = np.abs(made.damaged - made.undamaged).max(2)
    assert apart[made.mask].mean() > 4 * apart[~made.mask].mean()


def test_the_same_seed_draws_the_same_print():
    assert (scan(3).damaged == scan(3).damaged).all()
    assert (scan(3).damaged != scan(4).damaged).any()


@pytest.mark.parametrize("filled", [True, False])
def test_recall_and_psnr_are_those_of_what_is_filled(monkeypatch, filled):
    made = scan(1)
    damage = type("Damage", (), {"mask": made.mask, "is_sure": filled, "is_beyond_doubt": filled})()
    monkeypatch.setattr("benchmarks.prints.look_for_damage", lambda *_, **__: damage)
    one = found(made, asked=True)
    assert one.recall == one.iou == (1.0 if filled else 0.0)
    plain = -10 * np.log10(np.square(made.damaged - made.undamaged).mean())
    assert (one.psnr > plain + 3) if filled else (one.psnr == pytest.approx(plain, abs=1e-3))
