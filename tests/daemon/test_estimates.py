"""Estimates are learnt from what jobs took."""

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.estimates import Estimator, kind_of
from ldrps_daemon.journal import Timing


def learnt(*pairs, kind="k"):
    made = Estimator()
    made.learn(Timing(kind=kind, pixels=pixels, seconds=took) for pixels, took in pairs)
    return made


def test_nothing_is_claimed_before_anything_is_known():
    assert Estimator().seconds("k", 10**6) == 0
    assert Estimator().left("k", 10**6, elapsed=0, share=0) == 0


def test_a_fixed_part_and_one_per_pixel_are_found():
    made = learnt(*((n * 10**6, 3 + 2 * n) for n in range(1, 9)))
    assert made.seconds("k", 20 * 10**6) == pytest.approx(43)
    assert made.seconds("k", 0) == pytest.approx(3)


def test_estimates_are_never_below_zero():
    made = learnt((10**6, 30.0), (2 * 10**6, 20.0), (3 * 10**6, 10.0))
    assert made.seconds("k", 90 * 10**6) > 0
    steep = learnt((10**6, 1.0), (2 * 10**6, 100.0))
    assert steep.seconds("k", 1000) >= 0


def test_what_was_measured_lately_counts_more():
    made = learnt(*([(10**6, 10.0)] * 40 + [(10**6, 20.0)] * 40))
    assert made.seconds("k", 10**6) > 18


def test_a_kind_of_its_own_is_preferred_to_all_others():
    made = learnt((10**6, 5.0))
    made.learn([Timing(kind="other", pixels=10**6, seconds=50.0)])
    assert made.seconds("k", 10**6) == pytest.approx(5)
    assert 5 < made.seconds("new", 10**6) < 50


def test_towards_its_end_a_job_is_its_own_guide():
    made = learnt((10**6, 100.0))
    assert made.left("k", 10**6, elapsed=0, share=0) == pytest.approx(100)
    assert made.left("k", 10**6, elapsed=90, share=0.9) == pytest.approx(10)
    # Twice as slow as expected, and believed.
    assert made.left("k", 10**6, elapsed=180, share=0.9) > 15


def test_kinds_tell_apart_what_takes_other_times():
    kinds = {
        kind_of(pb.Settings(**settings), device)
        for settings in (
            {},
            {"steps": 3},
            {"recurrences": 0},
            {"model": "sd21"},
            {"recipe": "haze"},
        )
        for device in ("cpu", "cuda:0")
    }
    assert len(kinds) == 10
    assert kind_of(pb.Settings(), "cuda:0") == kind_of(pb.Settings(), "cuda:1")
    assert kind_of(pb.Settings(model="bundled", recipe="auto"), "cpu") == kind_of(
        pb.Settings(), "cpu"
    )
