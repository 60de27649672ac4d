"""Reliability of probabilities, and its pictures."""

import numpy as np
import pytest

from benchmarks.calibration import Forecast, reliabilities, reliability
from benchmarks.charts import draw_matrix, draw_reliability
from benchmarks.errors import BenchmarkError


def of(probability, holds, count=1, finding="dark"):
    return [Forecast(finding, probability, holds)] * count


def test_honest_probabilities_have_no_error_and_boastful_ones_do():
    honest = reliability("dark", of(0.75, True, 3) + of(0.75, False))
    assert honest.error == pytest.approx(0)
    assert honest.brier == pytest.approx(0.75 * 0.25)
    boast = reliability("dark", of(1.0, True, 3) + of(1.0, False) + of(0.0, False, 4))
    assert boast.error == pytest.approx(0.5 * 0.25)
    assert [(part.count, part.probability, part.share) for part in boast.bins] == [
        (4, 0.0, 0.0),
        (4, 1.0, 0.75),
    ]


def test_each_finding_that_holds_anywhere_is_judged_and_all_together():
    found = reliabilities(of(0.9, True) + of(0.2, False, 3, "hazy") + of(0.6, True, 1, "noise"))
    assert [(one.finding, one.count, one.holding) for one in found] == [
        ("all", 5, 2),
        ("dark", 1, 1),
        ("noise", 1, 1),
    ]
    assert reliabilities([]) == []


@pytest.mark.parametrize("wrong", [1.2, -0.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(BenchmarkError, match="outside 0 to 1"):
        reliability("dark", of(wrong, True))


def test_the_diagram_shows_what_was_said_and_what_holds():
    honest, boast = (
        reliability(name, of(said, True, 5) + of(said, False, 5))
        for name, said in (("a", 0.5), ("b", 1.0))
    )
    one, two = draw_reliability([honest]), draw_reliability([boast])
    assert one.size == two.size
    assert not np.array_equal(np.asarray(one), np.asarray(two))
    five = draw_reliability([honest] * 5)
    assert five.width > 3 * one.width
    assert five.height > one.height


def test_right_cells_are_green_and_wrong_ones_red():
    picture = np.asarray(
        draw_matrix([[4, 0], [1, 3]], ["a", "b"], ["a", "b"], lambda x, y: x == y, [4, 4])
    ).astype(int)
    greens = (picture[..., 1] > picture[..., 0] + 50).sum()
    reds = (picture[..., 0] > picture[..., 1] + 20).sum()
    assert greens > reds > 1000
