"""Decision between noise and texture for energy that could be either. No torch.

Noise that was demosaiced, resized, smoothed or saved as JPEG is many times as strong at low
frequencies as at high ones, as texture is. They differ in that noise is equally strong in all flat
patches: the flattest in one half of the frequencies are no flatter in the other half. Once
stabilised, noise is equal at every brightness, and it is weaker at half the size. A linear
classifier on these, fitted by `python -m training fit-correlated-noise` on good photos, in any
light, sharpened and saved in many ways, and the same taken by a noisy camera or on film.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.noise_detection import by_frequency, by_patch, halved, log_steps
from ldrps_engine.analysis.noise_level import Noise
from ldrps_engine.analysis.noise_spectrum import (
    OPPONENT,
    ORDER,
    PATCH,
    Stabilise,
    energy_of,
    noise_sigma,
    planes_of,
    raw_spectrum,
)
from ldrps_engine.analysis.regression import linear, load_model
from ldrps_engine.analysis.samples import Values

Array = NDArray[np.float32]

MODEL = Path(__file__).parents[1] / "models/correlated_noise.json"

_BANDS = ((1, 4), (4, 7), (7, 10), (10, 15))
_MOST_PATCHES = 20_000
_FINE, _COARSE = ORDER >= 10, ORDER < 5
_WHOLE, _GRAIN = 0.6, 3.0
_COMMON = 0.97
_STEEPEST = 1.3
_SHARE = 0.08
_FEWEST = 64
_MATTERS = 1.2
_WEAKEST = 1.0 / 255
# Sea and facades are at 0.5 and 0.6; of twelve photos with such noise none is below 0.78.
_BELIEVED = 0.7
_SURE = 30.0


def without_texture(rgb: Values, noise: Noise) -> Noise:
    """The noise of an image (H, W, channels), including its slope if that is noise."""
    if not is_doubtful(noise):
        return noise
    if all_is_noise(rgb, noise) <= _BELIEVED:
        return noise
    return replace(noise, spectrum=_with_chroma(rgb, noise), is_sure=True)


def is_doubtful(noise: Noise) -> bool:
    """Tell whether the share of texture in the measurement matters.

    If chroma has noise at all frequencies, luminance has the same, and no more.
    """
    if noise.raw_sigma <= max(_WEAKEST, _MATTERS * noise.sigma):
        return False
    if len(noise.raw) == 1:
        return True
    fine, coarse = (noise_sigma(noise.raw[1:, band]) for band in (_FINE, _COARSE))
    return fine < _WHOLE * coarse or noise_sigma(noise.raw[0, _FINE]) > _GRAIN * fine


def all_is_noise(rgb: Values, noise: Noise) -> float:
    """Probability that everything measured in (H, W, channels) is noise."""
    model = load_model(MODEL)
    logit = float(
        (linear(correlated_noise_features(rgb, noise)[None], model) @ model["weights"])[0]
    )
    return float(1 / (1 + np.exp(-np.clip(logit, -_SURE, _SURE))))


def correlated_noise_features(rgb: Values, noise: Noise) -> Array:
    """Statistics of an image (H, W, 3) or (H, W, 1) and of its noise, (51,)."""
    stabilise = noise.level.stabilise
    small = halved(rgb, stabilise)
    return np.concatenate(
        [
            [log_steps(noise.raw_sigma), log_steps(noise_sigma(noise.raw))],
            by_frequency(noise.spectrum),
            by_frequency(noise.raw),
            by_patch(rgb, stabilise),
            by_patch(small)[:8],
            by_frequency(raw_spectrum(small)),
            _slopes(rgb, stabilise),
            [np.log(noise.relative_rms)],
            [float(np.ptp(np.log(noise.level.curve).mean(0)))],
            _slopes(small),
        ]
    ).astype(np.float32)


def _with_chroma(rgb: Values, noise: Noise) -> Array:
    """The whole measurement, with the chroma hidden by parts without chroma.

    JPEG and cameras round weak chroma to nothing in most patches, which are then the flattest of
    all; patches that are flat in luminance show its average.
    """
    if len(noise.raw) == 1:
        return np.asarray(noise.raw)
    energy = _energy(rgb, noise.level.stabilise, OPPONENT)
    texture = energy[0][:, ORDER >= 1] / np.maximum(noise.raw[0][ORDER >= 1] ** 2, 1e-12)
    flat = np.argsort(np.abs(np.log(texture.mean(1) + 1e-6)))[: max(_FEWEST, len(texture) // 8)]
    limit = np.quantile(energy[1:, flat], _COMMON, axis=1, keepdims=True)
    shown = np.sqrt(np.minimum(energy[1:, flat], limit).mean(1))
    # The mean and the frequencies near it are largely the scene's own colour.
    most = _STEEPEST * shown[:, ORDER == 2].mean(1, keepdims=True)
    shown[:, ORDER < 2] = np.minimum(shown[:, ORDER < 2], most)
    chroma = np.maximum(noise.raw[1:], np.minimum(shown, noise.raw[:1]))
    return np.concatenate([noise.raw[:1], chroma]).astype(np.float32)


def _energy(rgb: Values, stabilise: Stabilise, rotation: Array) -> Array:
    """Energies of patches of (H, W, channels) rotated to (K, channels), (K, N, 8, 8)."""
    step = max(2, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_PATCHES)))
    patches = planes_of(rgb, step, stabilise)
    rotated = np.einsum("kc,cnij->knij", rotation, patches)
    return energy_of(rotated)


def _slopes(rgb: Values, stabilise: Stabilise | None = None) -> Array:
    """Excess flatness, in half of the frequencies, of patches flattest in the other, (4,)."""
    step = max(2, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _MOST_PATCHES)))
    luminance = planes_of(rgb, step, stabilise).mean(0)
    inside = np.minimum(luminance, 1 - luminance).mean((1, 2)) > 1 / 255
    if inside.sum() > _FEWEST:
        luminance = luminance[inside]
    energy = energy_of(luminance)
    energy /= np.maximum(np.median(energy, axis=0), 1e-10)
    parity = np.add.outer(np.arange(PATCH), np.arange(PATCH)) % 2
    found = np.zeros((2, len(_BANDS)))
    for half in (0, 1):
        chosen = energy[:, (parity != half) & (ORDER >= 1)].mean(1)
        flattest = np.argsort(chosen)[: max(_FEWEST, int(_SHARE * len(chosen)))]
        low, high = np.array_split(flattest, 2)
        for k, (first, last) in enumerate(_BANDS):
            energies = energy[:, (parity == half) & np.isin(ORDER, range(first, last))].mean(1)
            found[half, k] = np.log((energies[high].mean() + 1e-3) / (energies[low].mean() + 1e-3))
    return np.asarray(found.mean(0), dtype=np.float32)
