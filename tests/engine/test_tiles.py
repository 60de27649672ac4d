"""Where parts of a photo meet, nothing shows: of the noise filter, whose parts overlap."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.noise_spectrum import noise_spectrum
from ldrps_engine.transfer import noise_filter
from ldrps_engine.transfer.noise_filter import NoiseFilter, filter_noise, parts_to_filter
from support import pictures

SIDE, PARTS = 48, 8


@pytest.fixture(scope="module")
def noisy():
    return pictures.noisy(pictures.natural(SIDE, SIDE * PARTS), 15)


def filtered(noisy):
    noise = NoiseFilter(noisy.shape[:2], noise_spectrum(noisy), 0.0, noisy, quick=True)
    return filter_noise(noisy, noise, lambda _: None)


def steps(picture):
    """How much columns differ from their neighbours, as a profile along the photo."""
    return np.abs(np.diff(picture, axis=1)).mean((0, 2))


def test_no_energy_gathers_where_parts_meet(noisy, monkeypatch):
    whole = filtered(noisy)
    monkeypatch.setattr(noise_filter, "QUICK", replace(noise_filter.QUICK, side=SIDE))
    parts = parts_to_filter(noisy.shape[:2], quick=True)
    assert len(parts) == PARTS
    tiled = filtered(noisy)
    assert not np.array_equal(tiled, whole)
    borders = np.arange(1, PARTS) * SIDE - 1
    one, other = (steps(picture)[borders].mean() for picture in (tiled, whole))
    assert one == pytest.approx(other, rel=0.05)
    # Nor is any part a shade brighter than the next, by a twentieth of a step of 8 bits.
    shade = np.fft.rfft((tiled - whole).mean((0, 2)), norm="forward")
    assert np.abs(shade[PARTS // 2 :: PARTS // 2]).max() < 0.05 / 255
