"""Noise that black and white cut off: how much is left."""

import numpy as np
import pytest

from ldrps_engine.analysis.clipping import variance_left

RNG = np.random.default_rng(5)


def clipped(mean, sigma, count=200_000):
    return np.clip(mean + RNG.normal(0, sigma, count), 0, 1)


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_the_table_is_what_clipping_does(mean, sigma):
    samples = clipped(mean, sigma)
    left = variance_left(np.array([samples.mean()]), sigma)[0]
    assert left == pytest.approx(samples.var() / sigma**2, rel=0.03)
