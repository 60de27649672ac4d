"""Curves, exposure and resampling: what has an inverse goes back, what is flat stays flat."""

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.resampling import resize
from ldrps_engine.colour.srgb import LUMINANCE, luminance, to_display, to_linear
from ldrps_engine.priors.srgb import grey_of, linear_to_srgb, srgb_to_linear
from support import pictures
from training.metrics import psnr

# Below black and above white too: nothing may be clipped on the way.
VALUES = np.linspace(-0.5, 2.0, 2001, dtype=np.float32)[None, :, None].repeat(3, 2)


def test_display_and_light_are_inverse():
    assert np.allclose(to_display(to_linear(VALUES)), VALUES, atol=2e-6)
    assert np.allclose(to_linear(to_display(VALUES)), VALUES, atol=2e-6)


@pytest.mark.parametrize(
    ("display", "light"), [(0, 0), (0.04045, 0.0031308), (0.5, 0.2140411), (1, 1)]
)
def test_the_curve_goes_through_the_points_of_its_standard(display, light):
    # IEC 61966-2-1.
    assert to_linear(np.float32(display)) == pytest.approx(light, abs=1e-6)


def test_the_curves_of_arrays_and_tensors_agree():
    values = torch.from_numpy(VALUES)
    assert np.allclose(srgb_to_linear(values), to_linear(VALUES), atol=1e-6)
    assert np.allclose(linear_to_srgb(values), to_display(VALUES), atol=1e-6)


@pytest.mark.parametrize("curve", [srgb_to_linear, linear_to_srgb])
def test_the_curves_of_tensors_have_a_finite_gradient_everywhere(curve):
    values = torch.cat([torch.from_numpy(VALUES).flatten(), torch.zeros(3)]).requires_grad_()
    curve(values).sum().backward()
    assert values.grad.isfinite().all()


def test_luminance_of_white_is_one():
    assert LUMINANCE.sum() == pytest.approx(1)
    assert luminance(np.ones((2, 3, 3), np.float32)).shape == (2, 3)


def test_grey_of_has_one_value_in_three_channels_and_leaves_grey_alone(natural):
    image = torch.from_numpy(natural).permute(2, 0, 1)[None]
    grey = grey_of(image)
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.allclose(grey_of(grey), grey, atol=1e-6)


def test_resizing_keeps_flat_pictures_flat():
    flat = np.full((20, 30, 3), 0.3, np.float32)
    for smooth in (False, True):
        assert np.allclose(resize(flat, (57, 11), smooth=smooth), 0.3, atol=1e-6)


def test_resizing_to_the_same_size_changes_nothing(natural):
    assert np.array_equal(resize(natural, natural.shape[:2]), natural)


def test_resizing_up_and_down_gives_the_picture_back(natural):
    height, width = natural.shape[:2]
    # Bicubic both ways loses the highest frequencies alone; 38 dB is not seen.
    assert psnr(resize(resize(natural, (2 * height, 2 * width)), (height, width)), natural) > 38


def test_smooth_resizing_does_not_overshoot():
    step = np.zeros((8, 8, 1), np.float32)
    step[:, 4:] = 1
    smooth, sharp = resize(step, (64, 64), smooth=True), resize(step, (64, 64))
    assert smooth.min() >= 0
    assert smooth.max() <= 1
    assert sharp.max() > 1


def test_shrinking_does_not_alias():
    rows = np.zeros((64, 64, 1), np.float32)
    rows[::2] = 1
    # Stripes finer than the new pixels become the grey between them.
    assert np.allclose(resize(rows, (8, 8))[1:-1], 0.5, atol=0.02)


def test_pictures_of_the_tests_are_in_range():
    picture = pictures.natural()
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
