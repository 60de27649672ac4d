"""Rims of damage: soft and sharpened edges, sharp ones, large photos."""

from __future__ import annotations

import numpy as np
import pytest

from ldrps_engine.analysis.rims import with_rims
from ldrps_engine.colour.masks import grown


def scratch_of(profile):
    """Return a scratch with so much light in pixels from its middle on, and what is found of it."""
    rgb = np.full((64, 64, 3), 0.4, np.float32)
    for distance, light in enumerate(profile):
        rgb[:, [31 - distance, 32 + distance]] = light
    rgb += np.random.default_rng(0).normal(0, 0.02, rgb.shape).astype(np.float32)
    mask = np.zeros((64, 64), bool)
    mask[:, 31:33] = True
    return rgb, mask


@pytest.mark.parametrize(
    ("profile", "width"),
    [
        ((0.9,), 0),
        ((0.9, 0.5), 1),
        ((0.9, 0.7, 0.5), 2),
        ((0.9, 0.75, 0.62, 0.5), 3),
        # A sharpened edge is dark beyond; so is one that is soft at first.
        ((0.9, 0.2), 1),
        ((0.9, 0.6, 0.2), 2),
    ],
)
def test_rims_are_as_wide_as_the_edges_of_damage_are_soft_or_sharpened(profile, width):
    rgb, mask = scratch_of(profile)
    found = with_rims(rgb, mask, rgb, mask)
    assert np.array_equal(found, np.broadcast_to(grown(mask, width), found.shape))


def test_rims_are_measured_all_over_a_photo_and_missed_damage_is_no_soft_edge():
    rgb, mask = scratch_of((0.9, 0.9, 0.9))
    rgb[:, :10] = 0.9
    assert np.array_equal(with_rims(rgb, mask, rgb, mask), mask)
    # A few odd pixels beside a scratch say nothing about the others.
    rgb, mask = scratch_of((0.9,))
    rgb[:15, 33] = 0.65
    assert np.array_equal(with_rims(rgb, mask, rgb, mask), mask)


def test_rims_of_a_photo_larger_than_its_copy_are_as_wide_in_it():
    rgb, mask = scratch_of((0.9, 0.5))
    large, marked = np.kron(rgb, np.ones((2, 2, 1), np.float32)), np.kron(mask, np.ones((2, 2)))
    found = with_rims(large, marked > 0, rgb, mask)
    assert np.array_equal(found, grown(marked > 0, 2))
