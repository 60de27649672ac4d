"""Tones are carried by a field of colour maps, noise is filtered in groups and tiles."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.noise_spectrum import noise_spectrum
from ldrps_engine.transfer import noise_filter
from ldrps_engine.transfer.collaborative import from_opponent, to_opponent
from ldrps_engine.transfer.colour_field import ColourField, Smoothness
from ldrps_engine.transfer.noise_filter import NoiseFilter, filter_noise, parts_to_filter
from ldrps_engine.transfer.tiles import each, tiles
from support import pictures
from training.metrics import psnr


@pytest.fixture(scope="module")
def natural():
    """Smaller than elsewhere: looking for similar patches is what takes the time here."""
    return pictures.natural(64, 96)


def tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).contiguous()


def array(image):
    return image.permute(1, 2, 0).numpy()


def field(source, target):
    return ColourField.fit(source, target, source.mean(0), torch.ones_like(source[0]), Smoothness())


def test_a_field_between_equal_images_is_the_identity(natural):
    image = tensor(natural)
    # 50 dB is below the rounding of 8 bits.
    assert psnr(array(field(image, image).apply(image, image.mean(0))), natural) > 50


def test_a_field_recovers_an_affine_map_of_colours(natural):
    source = tensor(natural)
    matrix = torch.tensor([[1.5, 0.1, -0.1], [0.0, 1.2, 0.1], [0.1, -0.2, 0.9]])
    offset = torch.tensor([0.05, -0.1, 0.02])
    target = torch.einsum("kc,chw->khw", matrix, source) + offset[:, None, None]
    found = field(source, target).apply(source, source.mean(0))
    assert psnr(array(found), array(target)) > 50


def test_a_field_follows_a_gradual_change_over_the_photo(natural):
    source = tensor(natural)
    target = source * torch.linspace(0.5, 1.5, source.shape[-1])
    found = field(source, target).apply(source, source.mean(0))
    # One map for the whole photo would leave 20 dB.
    assert psnr(array(found), array(target)) > 32


def test_a_field_fitted_on_a_small_image_serves_the_large_one(natural):
    source = tensor(natural)
    small = torch.nn.functional.avg_pool2d(source, 2)
    fitted = field(small, small * 0.5 + 0.1)
    found = fitted.apply(source, source.mean(0))
    assert psnr(array(found), array(source * 0.5 + 0.1)) > 45


def test_a_field_does_not_learn_the_noise_of_its_target(natural):
    source = tensor(natural)
    noise = torch.randn(source.shape, generator=torch.manual_seed(0)) * 0.1
    found = field(source, source + noise).apply(source, source.mean(0))
    # The noise itself is at 20 dB; a thousand maps of twelve numbers average most of it out.
    assert psnr(array(found), natural) > 27


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_field_of_flat_images_is_finite(value):
    flat = torch.full((3, 16, 40), value)
    assert torch.isfinite(field(flat, flat).apply(flat, flat.mean(0))).all()


def test_opponent_colours_go_back(natural):
    assert np.allclose(from_opponent(to_opponent(natural)), natural, atol=1e-6)
    assert np.abs(to_opponent(pictures.grey(natural))[1:]).max() < 1e-6


def with_sigma(photo, sigma, oracle=None, **how):
    spectrum = np.full((3, 8, 8), sigma / 255, np.float32)
    return NoiseFilter(photo.shape[:2], spectrum, 0.0, photo if oracle is None else oracle, **how)


def filtered(noisy, sigma, oracle=None, **how):
    return filter_noise(noisy, with_sigma(noisy, sigma, oracle, **how), lambda _: None)


def test_strong_noise_is_filtered(natural):
    noisy = pictures.noisy(natural, 25)
    # BM3D's gain on photos at this sigma is 8 to 9 dB; small pictures have fewer twins.
    assert psnr(filtered(noisy, 25), natural) > psnr(noisy, natural) + 5


def test_noise_as_coarse_as_a_patch_is_weakened():
    flat = np.full((128, 128, 3), 0.5, np.float32)
    noisy = pictures.noisy(flat, 25)

    def blotches(picture):
        return np.var(picture.reshape(8, 16, 8, 16, 3).mean((1, 3)))

    assert blotches(filtered(noisy, 25)) < 0.5 * blotches(noisy)


def test_a_better_oracle_gives_a_better_result(natural):
    noisy = pictures.noisy(natural, 25)
    assert psnr(filtered(noisy, 25, natural), natural) > psnr(filtered(noisy, 25), natural)


def test_a_clean_photo_is_left_alone(natural):
    assert psnr(filtered(natural, 0.0), natural) > 50
    assert psnr(filtered(natural, 0.5), natural) > 45


def test_a_measured_spectrum_filters_about_as_well_as_the_true_one(natural):
    noisy = pictures.noisy(natural, 25)
    measured = replace(with_sigma(noisy, 25), spectrum=noise_spectrum(noisy))
    blind = filter_noise(noisy, measured, lambda _: None)
    assert psnr(blind, natural) > psnr(filtered(noisy, 25), natural) - 1


def test_the_quick_filter_is_nearly_as_good(natural):
    noisy = pictures.noisy(natural, 25)
    quick = filtered(noisy, 25, quick=True)
    assert not np.array_equal(quick, filtered(noisy, 25))
    assert psnr(quick, natural) > psnr(filtered(noisy, 25), natural) - 0.5


@pytest.mark.parametrize("size", [(16, 16), (448, 449), (1000, 700), (17, 2000)])
@pytest.mark.parametrize("overlap", [0, 24])
def test_tiles_keep_every_pixel_once_and_lie_inside(size, overlap):
    counts = np.zeros(size, int)
    for tile in tiles(*size, 256, overlap):
        counts[tile.outer][tile.kept] += 1
        assert counts[tile.inner].all()
        for inner, outer, length in zip(tile.inner, tile.outer, size, strict=True):
            assert 0 <= outer.start <= inner.start < inner.stop <= outer.stop <= length
            assert inner.stop - inner.start <= 256
    assert np.all(counts == 1)


def in_parts_of(side, monkeypatch):
    for name in ("THOROUGH", "QUICK"):
        smaller = replace(getattr(noise_filter, name), side=side)
        monkeypatch.setattr(noise_filter, name, smaller)


@pytest.mark.parametrize("quick", [False, True])
def test_tiles_do_not_show(natural, monkeypatch, quick):
    noisy = pictures.noisy(natural, 10)
    whole = filtered(noisy, 10, quick=quick)
    in_parts_of(48, monkeypatch)
    assert len(parts_to_filter(noisy.shape[:2], quick=quick)) == 4
    # Groups near a border differ a little; what is left of the noise is at 35 dB or so.
    assert psnr(filtered(noisy, 10, quick=quick), whole) > 50


def test_every_part_is_counted(natural, monkeypatch):
    in_parts_of(48, monkeypatch)
    seen = []
    filter_noise(natural, with_sigma(natural, 5), seen.append)
    assert seen[-1] == 4
    assert seen == sorted(seen)


def test_any_number_of_threads_gives_the_same_bits(natural, monkeypatch):
    in_parts_of(48, monkeypatch)
    noisy = pictures.noisy(natural, 10)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(filtered(noisy, 10))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)


def test_what_is_raised_in_between_ends_the_work():
    class Enough(Exception):
        pass

    def work(tile, check):
        worked.append(tile)
        while True:
            check()

    def stop(_):
        raise Enough

    worked = []
    with pytest.raises(Enough):
        each(tiles(64, 64, 4, 0), work, stop)
    assert 1 <= len(worked) <= torch.get_num_threads()


def test_an_error_in_a_part_is_the_callers():
    def work(tile, check):
        raise MemoryError

    with pytest.raises(MemoryError):
        each(tiles(64, 64, 32, 0), work, lambda _: None)


def test_above_the_views_detail_the_oracle_has_no_say(natural):
    pilot = np.full_like(natural[::3, ::3], 0.5)
    whole = (slice(0, natural.shape[0]), slice(0, natural.shape[1]))

    def merge(sigma, **how):
        return with_sigma(natural, sigma, pilot, **how)._merged(natural, whole, 0.25)

    merged = merge(30)
    detail, kept = (x - blurred(x) for x in (natural, merged))
    # A share taken of everything would leave its square, a sixteenth, and more of the rest.
    assert np.var(kept - detail) < 0.03 * np.var(detail)
    assert np.var(blurred(merged)) < 0.7 * np.var(blurred(natural))
    for little in (merge(5), merge(30, seen=0.15)):
        assert np.var(blurred(little)) > 0.9 * np.var(blurred(natural))


def test_a_prior_that_loses_nothing_has_a_share_of_the_result(natural):
    noisy = pictures.noisy(natural, 25)
    trusting, not_at_all = (filtered(noisy, 25, natural, trust=t) for t in (0.3, 0.0))
    assert psnr(trusting, natural) > psnr(not_at_all, natural) + 1


def blurred(picture):
    pooled = torch.nn.functional.avg_pool2d(tensor(picture)[None], 2)
    return array(torch.nn.functional.interpolate(pooled, size=picture.shape[:2], mode="bicubic")[0])
