"""Medians and quantiles are those of numpy, medians to the bit."""

import numpy as np
import pytest

from ldrps_engine.analysis.medians import median, quantiles


@pytest.mark.parametrize("count", [1, 2, 7, 8, 1001, 1002])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_medians_are_those_of_numpy(count, kind):
    values = np.random.default_rng(count).normal(size=(3, 2, count)).astype(kind)
    found = median(values)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.median(values, axis=-1))


def test_equal_values_and_infinities_are_numbers_as_well():
    values = np.array([[2, 2, 2, 2], [1, np.inf, np.inf, -np.inf], [3, 1, 3, 1]], np.float32)
    np.testing.assert_array_equal(median(values), [2, np.inf, 2])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_quantiles_are_those_of_numpy(axis):
    values = np.random.default_rng(axis).normal(size=(9, 16, 5)).astype(np.float32)
    shares = (0.0, 0.35, 0.5, 0.9)
    found = quantiles(values, shares, axis)
    np.testing.assert_allclose(found, np.quantile(values, shares, axis=axis), atol=1e-6)
