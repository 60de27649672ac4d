"""Darkness and fog that are meant are told from those that are faults."""

import numpy as np
import pytest

from ldrps_engine.analysis.intended import is_fog, is_low_key, is_starry
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.colour.srgb import to_display

SIZE = (240, 320)


def with_points(count, strength=0.8, seed=0):
    """A dark sky with points of light, spread evenly."""
    rng = np.random.default_rng(seed)
    sky = np.full((*SIZE, 3), 0.05, np.float32) + 0.004 * rng.standard_normal((*SIZE, 3))
    rows, columns = rng.integers(0, SIZE[0], count), rng.integers(0, SIZE[1], count)
    sky[rows, columns] = strength
    return np.clip(sky, 0, 1).astype(np.float32)


def scene(contrast, seed=1):
    """Things of many shades, light from about 0.2 to 0.2 + contrast."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((SIZE[0] // 6, SIZE[1] // 6, 3)).astype(np.float32)
    return 0.2 + contrast * np.clip(resize(coarse, SIZE, smooth=True), 0, 1)


def test_a_sky_full_of_stars_is_low_key():
    assert is_starry(with_points(250))


def test_stars_of_a_large_photo_are_seen_as_well():
    small = with_points(250)
    large = np.full((8 * SIZE[0], 8 * SIZE[1], 3), 0.05, np.float32)
    large[::8, ::8] = small
    assert is_starry(large)


@pytest.mark.parametrize("count", [0, 20, 40])
def test_a_few_lamps_over_things_in_shadow_are_no_starry_sky(count):
    street = with_points(count) + to_display(0.02 * scene(0.8))
    assert not is_starry(np.clip(street, 0, 1).astype(np.float32))


def test_points_alone_among_many_side_by_side_are_no_starry_sky():
    street = with_points(0)
    street[:, 8::32] = street[:, 10::32] = 0.6
    street[::2, 8::32] = street[1::2, 10::32] = 0.05
    lone = street.copy()
    lone[12::24, 24::32] = 0.8
    assert not is_starry(lone)
    assert is_starry(np.where(street > 0.3, 0.05, lone).astype(np.float32))


def test_noise_is_no_stars():
    rng = np.random.default_rng(2)
    noisy = to_display(0.02 * scene(0.8)) + 0.04 * rng.standard_normal((*SIZE, 3))
    assert not is_starry(np.clip(noisy, 0, 1).astype(np.float32))


def test_low_key_has_nothing_in_its_shadows():
    x = np.linspace(0.003, 0.012, SIZE[1], dtype=np.float32)
    light = np.repeat(np.broadcast_to(x, SIZE)[..., None], 3, axis=2).copy()
    light[100:160, 140:200] = 0.5
    assert is_low_key(to_display(light))


@pytest.mark.parametrize("exposure", [0.3, 0.1, 0.03])
def test_under_exposed_things_are_not_meant_to_be_dark(exposure):
    assert not is_low_key(to_display(exposure * 0.2 * scene(0.8)))


def test_shadows_that_were_cut_off_are_no_low_key():
    """Content of such shadows is lost, which says nothing about what was meant."""
    light = np.zeros((*SIZE, 3), np.float32)
    light[:80] = 0.02 * scene(0.8)[:80]
    assert not is_low_key(to_display(light))


@pytest.mark.parametrize("thickness", [0.4, 1.0, 2.0])
def test_haze_that_still_shows_a_scene_is_no_fog(thickness):
    depth = np.full((10, 10), thickness, np.float32)
    through = np.exp(-np.float32(thickness))
    assert not is_fog(scene(0.8) * through + 0.9 * (1 - through), depth)


def behind_air(rgb, depth):
    through = np.exp(-np.float32(depth))
    return (rgb * through + 0.85 * (1 - through)).astype(np.float32)


def plain_with_coloured_things(share):
    """A plain ground with coloured things on its lowest rows."""
    near = round(share * SIZE[0])
    rgb = np.full((*SIZE, 3), 0.6, np.float32)
    rgb[-near:] = scene(0.8)[-near:]
    rgb[-near // 2 :, :80] = 0.7, 0.2, 0.2
    return rgb


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_fog_hides_the_far_and_shows_what_is_near(share):
    depth = np.full((10, 10), 1.2, np.float32)
    depth[-1] = 0.3
    rgb = plain_with_coloured_things(share)
    near = round(share * SIZE[0])
    rgb[:-near] = behind_air(rgb[:-near], 1.2)
    rgb[-near:] = behind_air(rgb[-near:], 0.3)
    assert is_fog(rgb, depth)


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("thickness", [0.8, 1.5])
def test_dense_haze_over_near_and_far_alike_is_no_fog(share, thickness):
    hazed = behind_air(plain_with_coloured_things(share), thickness)
    assert not is_fog(hazed, np.full((10, 10), thickness, np.float32))


def test_air_in_which_nothing_has_a_colour_is_fog():
    grey = plain_with_coloured_things(0.3).mean(-1, keepdims=True).repeat(3, 2)
    assert is_fog(behind_air(grey, 1.2), np.full((10, 10), 1.2, np.float32))


def test_a_plain_wall_is_no_fog():
    assert not is_fog(np.full((*SIZE, 3), 0.7, np.float32), np.full((10, 10), 0.1, np.float32))
