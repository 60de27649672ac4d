"""White noise is filtered by two networks, any other by one; neither takes more time."""

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.noise_condition import spectrum_bands, whiteness
from ldrps_engine.analysis.noise_level import Level, Noise, measure_noise
from ldrps_engine.analysis.resampling import reduce
from ldrps_engine.diffusion.denoising import KnownNoise, NoiseFilter
from ldrps_engine.diffusion.members import Members
from ldrps_engine.priors.detail_expert import load_detail_expert
from ldrps_engine.priors.ffdnet import FFDNet, load_ffdnet
from support import pictures
from training.metrics import psnr

WHITE = np.zeros(12, np.float32)
SMALL = (256, 256)
SIGMA = 15 / 255


def filtered(noisy, members, sigma=SIGMA):
    spectrum = np.full((3, 8, 8), sigma, np.float32)
    known = KnownNoise.of(Noise(Level.even(3), spectrum, spectrum, 1.0), sigma)
    out = np.empty_like(noisy)
    NoiseFilter(load_detail_expert(), known, members=members).filter(noisy, out, lambda _: None)
    return out


def test_ffdnet_filters_strong_noise():
    clean = pictures.natural(96, 128)
    noisy = torch.from_numpy(pictures.noisy(clean, 25)).permute(2, 0, 1)[None]
    found = load_ffdnet()(noisy, torch.full((1, 1, 48, 64), 25 / 255))[0].permute(1, 2, 0).numpy()
    # BM3D's gain on photos at this sigma is 8 to 9 dB.
    assert psnr(found, clean) > psnr(pictures.noisy(clean, 25), clean) + 8


def test_ffdnet_filters_as_much_as_it_is_given_at_each_place():
    noisy = torch.from_numpy(pictures.noisy(np.full((64, 128, 3), 0.5, np.float32), 15))
    levels = torch.full((1, 1, 32, 64), 1e-3)
    levels[..., 32:] = SIGMA
    found = load_ffdnet()(noisy.permute(2, 0, 1)[None], levels)[0].permute(1, 2, 0)
    left, right = found[:, :48].std(), found[:, 80:].std()
    assert left > 0.8 * noisy.std()
    assert right < 0.2 * noisy.std()


def test_a_share_of_ffdnet_makes_white_noise_weaker_than_either_does_on_the_mean():
    clean = pictures.natural(192, 256)
    noisy = pictures.noisy(clean, 15)
    own, second, both = (psnr(filtered(noisy, Members(1, 1, of)), clean) for of in (0.0, 1.0, 0.7))
    assert both > own + 0.3
    assert both > (own + second) / 2 + 0.1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_black_and_white_cut_off_is_left_to_the_network_that_knows_of_it(value):
    flat = np.full((96, 96, 3), value, np.float32)
    noisy = np.clip(pictures.noisy(flat, 25), 0, 1)
    alone, both = (filtered(noisy, of, 25 / 255) for of in (Members(1), Members(1, 1, 0.6)))
    assert np.abs(both - value).mean() < 1.05 * np.abs(alone - value).mean()


@pytest.mark.parametrize(
    ("size", "white", "other"),
    [
        (SMALL, (4, 2), (8, 0)),
        ((2000, 3000), (2, 1), (4, 0)),
        ((3000, 4000), (2, 0), (2, 0)),
        ((4000, 6000), (1, 0), (1, 0)),
    ],
)
def test_the_more_pixels_the_fewer_evaluations(size, white, other):
    for bands, expected in ((WHITE, white), (WHITE + 1, other)):
        found = Members.of(size, SIGMA, bands, quick=False)
        assert (found.own, found.second) == expected
        # FFDNet takes twice the time.
        assert (found.own + 2 * found.second) * size[0] * size[1] <= 24e6


def test_fast_asks_once_and_ffdnet_where_noise_is_white_in_photos_that_are_not_large():
    white = Members.of(SMALL, SIGMA, WHITE, quick=True)
    assert (white.own, white.second) == (1, 1)
    assert white.share == Members.of(SMALL, SIGMA, WHITE, quick=False).share
    assert Members.of((3000, 4000), SIGMA, WHITE, quick=True) == Members(1)
    # As noise that was reduced to half its size with its photo.
    assert Members.of(SMALL, SIGMA, WHITE + 0.15, quick=True) == Members(1)
    assert Members.of(SMALL, 80 / 255, WHITE, quick=True) == Members(1)


def test_noise_stronger_than_any_that_ffdnet_knows_is_not_given_to_it():
    shares = [Members.of(SMALL, sigma / 255, WHITE, quick=False).share for sigma in (15, 25, 50)]
    assert shares == sorted(shares, reverse=True)
    assert Members.of(SMALL, 80 / 255, WHITE, quick=False) == Members(8)


def test_white_noise_is_measured_as_white_and_reduced_noise_as_hardly():
    clean = pictures.natural(512, 512)

    def measured(noisy):
        return whiteness(spectrum_bands(measure_noise(noisy).spectrum))

    assert measured(pictures.noisy(clean, 15)) > 0.8
    assert measured(reduce(pictures.noisy(clean, 30), (256, 256))) < 0.6
    smoothed = pictures.noisy(clean, 15)
    smoothed = (smoothed + np.roll(smoothed, 1, 0) + np.roll(smoothed, 1, 1)) / 3
    assert measured(smoothed) < 0.1


def test_its_weights_are_those_of_a_network_for_colour():
    assert sum(each.numel() for each in FFDNet().parameters()) == 852_108
    assert not any(each.requires_grad for each in load_ffdnet().parameters())
