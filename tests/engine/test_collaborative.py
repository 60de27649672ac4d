"""Groups of similar patches: found, transformed, shrunk and laid over each other as written."""

import numpy as np
import pytest

from ldrps_engine.analysis.noise_spectrum import dct_matrix
from ldrps_engine.transfer import kernels
from ldrps_engine.transfer.collaborative import (
    QUICK,
    Groups,
    Search,
    hard_threshold,
    to_opponent,
    wiener,
)
from ldrps_engine.transfer.kernels import GROUP
from support import pictures

SEARCHES = [Search(stride=4, radius=6), Search(stride=4, radius=6, grid=2)]


@pytest.fixture(scope="module")
def natural():
    return pictures.natural(48, 64)


def randoms(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def patches(image, grid=1):
    """(rows, columns, 8, 8)."""
    views = np.lib.stride_tricks.sliding_window_view(image, (8, 8))
    return views[::grid, ::grid]


@pytest.mark.parametrize("search", SEARCHES)
def test_every_group_starts_with_its_reference_and_holds_the_most_similar(search):
    picture = np.zeros((1, 32, 64), np.float32)
    picture[..., 32:] = 1.0
    members = Groups(picture, search).members
    columns = (64 - 8) // search.grid + 1
    left = members % columns * search.grid
    assert np.array_equal(left[: 56 // 4 + 1, 0], np.arange(0, 57, 4))
    # Equal patches all around: none of a group's lies over the edge.
    assert left[left[:, 0] < 18].max() <= 24


@pytest.mark.parametrize("patch", [4, 8])
def test_the_nearest_are_those_that_a_slow_search_finds(patch):
    guide, stride, reach = randoms(3, 22, 30), 2, 5
    rows, columns = 22 - patch + 1, 30 - patch + 1
    found = np.empty((-(-rows // stride), -(-columns // stride), GROUP), np.int32)
    kernels.nearest(guide, patch, stride, reach, found)
    views = np.lib.stride_tricks.sliding_window_view(guide, (patch, patch), (1, 2))
    for i, j in np.ndindex(found.shape[:2]):
        y, x = stride * i, stride * j
        near = [
            (float(np.square(views[:, y, x] - views[:, v, u]).sum()), v * columns + u)
            for v in range(max(0, y - reach), min(rows, y + reach + 1))
            for u in range(max(0, x - reach), min(columns, x + reach + 1))
        ]
        assert found[i, j].tolist() == [number for _, number in sorted(near)[:GROUP]]


def test_a_reference_without_enough_others_is_taken_again():
    found = np.empty((1, 1, GROUP), np.int32)
    kernels.nearest(randoms(1, 9, 9), 8, 2, 6, found)
    assert found[0, 0, 0] == 0
    assert sorted(found[0, 0].tolist()) == [0] * (GROUP - 3) + [1, 2, 3]


@pytest.mark.parametrize("grid", [1, 2])
def test_spectra_are_cosine_transforms_of_patches(grid):
    image, dct = randoms(24, 30), dct_matrix(8)
    expected = dct @ patches(image, grid) @ dct.T
    out = np.empty((*expected.shape[:2], 64), np.float32)
    kernels.spectra(image, grid, out)
    assert np.allclose(out.reshape(expected.shape), expected, atol=1e-5)


def slowly(own, members, variance, gain):
    """Sums of filtered patches and of weights, one group at a time."""
    total, weights = np.zeros_like(own), np.zeros(len(own), np.float32)
    across = dct_matrix(GROUP)
    for numbers in members:
        stack = across @ own[numbers]
        factor = gain(stack, numbers)
        factor[0, 0] = 1
        weight = 1 / (factor**2 * variance).sum()
        np.add.at(total, numbers, weight * (across.T @ (factor * stack)))
        np.add.at(weights, numbers, weight)
    return total, weights


@pytest.fixture
def case():
    """(own spectra, an oracle's, members, variances)."""
    own, guess = randoms(50, 64), randoms(50, 64, seed=1)
    members = np.random.default_rng(2).integers(0, 50, (20, GROUP)).astype(np.int32)
    return own, guess, members, np.linspace(0.05, 0.2, 64, dtype=np.float32)


def test_a_threshold_sets_small_coefficients_to_zero(case):
    own, _, members, variance = case
    limits = 7 * variance
    expected = slowly(own, members, variance, lambda stack, _: (stack**2 > limits) * 1.0)
    total, weights = np.zeros_like(own), np.zeros(50, np.float32)
    kernels.threshold(own, members, limits, variance, total, weights)
    assert np.allclose(total, expected[0], rtol=1e-3, atol=1e-3)
    assert np.allclose(weights, expected[1], rtol=1e-3)


def test_wieners_filter_weighs_by_the_power_of_the_oracle(case):
    own, guess, members, variance = case

    def gain(_, numbers):
        power = (dct_matrix(GROUP) @ guess[numbers]) ** 2
        return power / (power + variance)

    expected = slowly(own, members, variance, gain)
    total, weights = np.zeros_like(own), np.zeros(50, np.float32)
    kernels.wiener(own, guess, members, variance, total, weights)
    assert np.allclose(total, expected[0], rtol=1e-3, atol=1e-3)
    assert np.allclose(weights, expected[1], rtol=1e-3)


@pytest.mark.parametrize("search", [Search(), QUICK])
@pytest.mark.parametrize("size", [(24, 40), (25, 39)])
def test_groups_give_the_picture_back_when_nothing_is_shrunk(natural, search, size):
    image = to_opponent(natural[: size[0], : size[1]])
    groups = Groups(image, search)
    kept = hard_threshold(groups.spectra(image), np.zeros((3, 64), np.float32), groups)
    assert np.allclose(kept, image, atol=1e-4)


@pytest.mark.parametrize("search", [Search(), QUICK])
@pytest.mark.parametrize("size", [(16, 16), (16, 40)])
def test_the_smallest_pictures_can_be_filtered(size, search):
    image = np.random.default_rng(0).random((3, *size), np.float32)
    groups = Groups(image, search)
    spectra, sigmas = groups.spectra(image), np.full((3, 64), 0.1, np.float32)
    basic = hard_threshold(spectra, sigmas, groups)
    assert np.isfinite(wiener(spectra, basic, sigmas, groups)).all()


def test_where_machine_code_cannot_be_kept_it_is_made_anew(monkeypatch):
    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        if asked[-1]:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(kernels, "njit", njit)
    assert kernels._compiled(len) is len
    assert asked == [True, False]
