"""The working view: on the prior's grid, with the photo's proportions, and back."""

import numpy as np
import pytest

from ldrps_engine.diffusion.view import View
from support import pictures
from training.metrics import psnr

SIZES = [(16, 16), (17, 300), (300, 17), (96, 128), (255, 257), (457, 640), (16, 1024), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("multiple", [8, 32, 64])
def test_a_view_is_on_the_grid_and_no_larger_than_it_has_to_be(size, multiple):
    view = View.fit(*size, 512, multiple)
    for scaled, padded in zip(view.scaled, view.padded, strict=True):
        assert padded % multiple == 0
        assert 0 <= padded - scaled < multiple


@pytest.mark.parametrize("size", SIZES)
def test_a_view_keeps_the_proportions_and_enlarges_at_most_twice(size):
    view = View.fit(*size, 512, 32)
    exact = min(2.0, 512 / max(size))
    assert max(view.scaled) <= 512
    for side, scaled in zip(size, view.scaled, strict=True):
        # Rounded to whole pixels, of which there is at least one.
        assert abs(scaled - side * exact) <= 0.5
    assert view.scale <= 2


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (64, 48), (640, 457)])
def test_entering_and_leaving_keep_shape_and_content(size):
    picture = pictures.natural(*size)
    view = View.fit(*size, 512, 32)
    image = view.to_model(picture)
    assert tuple(image.shape) == (1, 3, *view.padded)
    back = view.from_model(image)
    assert back.shape == (*view.scaled, 3)
    enlarged = np.kron(picture, np.ones((2, 2, 1))) if view.scale == 2 else None
    if enlarged is not None:
        # Bicubic against repeated pixels: the same picture, half a pixel soft.
        assert psnr(back, enlarged) > 24


def test_the_padding_mirrors_the_photo(natural):
    view = View.fit(40, 50, 40, 32)
    image = view.to_model(natural[:40, :50])
    assert view.scaled == (32, 40)
    assert np.array_equal(image[..., 40:48], image[..., 32:40].flip(-1))


def test_leaving_takes_the_padding_off():
    view = View.fit(20, 24, 512, 64)
    image = view.to_model(np.full((20, 24, 3), 0.25, np.float32))
    image[..., 40:, :] = 9
    image[..., 48:] = 9
    assert view.from_model(image).max() == np.float32(0.25)
