"""Masks of damage are grown by whole pixels, edges of the photo included."""

import numpy as np
import pytest

from ldrps_engine.colour.masks import grown


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 7, 40])
@pytest.mark.parametrize("size", [(1, 30), (23, 31)])
def test_a_grown_mask_marks_a_square_around_every_pixel(size, reach):
    mask = np.random.default_rng(reach).random(size) < 0.01
    mask[0, -1] = True
    wanted = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        top, left = max(0, row - reach), max(0, column - reach)
        wanted[top : row + reach + 1, left : column + reach + 1] = True
    assert np.array_equal(grown(mask, reach), wanted)


def test_nothing_grows_from_nothing():
    assert not grown(np.zeros((9, 12), bool), 3).any()
