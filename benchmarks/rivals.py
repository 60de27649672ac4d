"""Alternatives a person would use: the filters of every editor and of the literature, blind.

Each takes and gives (H, W, 3) RGB in [0, 1], knows nothing of the reference, and uses one set of
constants for every photo. Libraries are imported on use: a rival without its library is left out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.sets import to_samples
from ldrps_engine.colour.srgb import decode, encode

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rival:
    """A method under the name its rows carry."""

    name: str
    run: Callable[[Floats], Floats]
    needs: tuple[str, ...] = ()
    """Modules it imports; see requirements.txt."""
    slow: bool = False
    """Seconds rather than fractions of one for a 256x256 photo; `--rivals fast` leaves it out."""

    def missing(self) -> tuple[str, ...]:
        """Those of `needs` that are not installed."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)


def gamma_to_half(photo: Floats) -> Floats:
    """The power of the display values that brings a flat photo of this mean to 0.5."""
    mean = float(photo.mean())
    brightened: Floats = photo ** (np.log(0.5) / np.log(mean)) if 0 < mean < 1 else photo
    return brightened


def global_gain(photo: Floats) -> Floats:
    """A gain on the display values that would bring their mean to 0.5 if nothing clipped."""
    return np.clip(photo * (0.5 / max(float(photo.mean()), 1e-3)), 0, 1)


def linear_gain_then_means(photo: Floats) -> Floats:
    """A gain in linear light to a mean display value of 0.47, then OpenCV's non-local means."""
    import cv2

    lit = to_samples(linear_gain(photo))
    # Stronger than 5 costs the dark photos of LOL more detail than it takes noise from them.
    filtered: Floats = cv2.fastNlMeansDenoisingColored(lit, None, 5, 5, 7, 21) / 255.0
    return filtered


def means_then_linear_gain(photo: Floats) -> Floats:
    """The two classical steps for a dark and noisy photo, noise first."""
    return linear_gain(np.clip(non_local_means(photo), 0, 1))


def linear_gain(photo: Floats) -> Floats:
    """A gain in linear light that brings the mean display value to 0.47, by bisection."""
    linear = decode(photo)

    def lit(stops: float) -> Floats:
        return encode(np.clip(linear * 2.0**stops, 0, 1))

    low, high = -6.0, 6.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if lit(middle).mean() < 0.47 else (low, middle)
    return lit(low)


def clahe(photo: Floats) -> Floats:
    """Contrast-limited adaptive histogram equalisation of L* (Zuiderveld 1994), limit 2, 8x8."""
    import cv2

    lab = cv2.cvtColor(to_samples(photo), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    equalised: Floats = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) / 255.0
    return equalised


def dark_channel(photo: Floats, omega: float = 0.8) -> Floats:
    """Dark channel prior (He, Sun, Tang 2009), transmission refined by a guided filter (2010).

    On display values, as the authors' code does.
    """
    import cv2

    kernel = np.ones((15, 15), np.uint8)
    darkest = cv2.erode(photo.min(axis=2), kernel)
    haziest = np.argsort(darkest, axis=None)[-max(1, darkest.size // 1000) :]
    candidates = photo.reshape(-1, 3)[haziest]
    air = candidates[candidates.sum(axis=1).argmax()].clip(0.05, 1.0)
    transmission = 1 - omega * cv2.erode((photo / air).min(axis=2), kernel)
    guide = photo.mean(axis=2)
    transmission = np.clip(_guided(guide, transmission, radius=30, eps=1e-3), 0.1, 1.0)
    clear: Floats = (photo - air) / transmission[..., None] + air
    return clear


def non_local_means(photo: Floats) -> Floats:
    """Non-local means (Buades, Coll, Morel 2005), strength from the measured noise."""
    from skimage.restoration import denoise_nl_means

    if not (sigma := wavelet_sigma(photo)):
        return photo
    filtered: Floats = denoise_nl_means(
        photo,
        patch_size=5,
        patch_distance=6,
        h=sigma,
        sigma=sigma,
        fast_mode=False,
        channel_axis=-1,
    )
    return filtered


def wavelets(photo: Floats) -> Floats:
    """BayesShrink in YCbCr (Chang, Yu, Vetterli 2000), strength from the measured noise."""
    from skimage.restoration import denoise_wavelet

    if not (sigma := wavelet_sigma(photo)):
        return photo
    filtered: Floats = denoise_wavelet(
        photo, sigma, convert2ycbcr=True, channel_axis=-1, rescale_sigma=True
    )
    return filtered


def bm3d(photo: Floats) -> Floats:
    """BM3D (Dabov et al. 2007; Mäkinen et al. 2020) with the measured noise."""
    from bm3d import bm3d as bm3d_plane
    from bm3d import bm3d_rgb

    sigma = max(wavelet_sigma(photo), 1e-3)
    if np.ptp(photo, axis=2).max() == 0.0:
        # The colour version divides by the range of the chroma planes, which are empty here.
        return np.repeat(bm3d_plane(photo[..., 0], sigma)[..., None], 3, axis=2)
    filtered: Floats = bm3d_rgb(photo, sigma)
    return filtered


def bm3d_then_linear_gain(photo: Floats) -> Floats:
    """The same two steps with the better filter."""
    return linear_gain(np.clip(bm3d(photo), 0, 1))


RIVALS = (
    Rival("gamma", gamma_to_half),
    Rival("gain", global_gain),
    Rival("linear gain + nlm", linear_gain_then_means, ("cv2",)),
    Rival("nlm + linear gain", means_then_linear_gain, ("skimage", "pywt"), slow=True),
    Rival("clahe", clahe, ("cv2",)),
    Rival("dark channel", dark_channel, ("cv2",)),
    Rival("nlm", non_local_means, ("skimage", "pywt"), slow=True),
    Rival("wavelets", wavelets, ("skimage", "pywt")),
    Rival("bm3d", bm3d, ("bm3d", "skimage", "pywt"), slow=True),
    Rival("bm3d + linear gain", bm3d_then_linear_gain, ("bm3d", "skimage", "pywt"), slow=True),
)


FFDNET, FFDNET_LEVEL_KNOWN = "ffdnet", "ffdnet, level known"
"""Names of the rivals of `ffdnet.py`, which need weights."""


def chosen(which: str) -> tuple[Rival, ...]:
    """Return the methods for `--rivals none`, `fast` or `all`; installed or not."""
    if which == "none":
        return ()
    return tuple(rival for rival in RIVALS if which == "all" or not rival.slow)


def installed(rivals: Iterable[Rival], log: Console) -> list[Rival]:
    """Return those whose libraries are there, and name the others."""
    found = []
    for rival in rivals:
        if missing := rival.missing():
            log.print(
                f"{rival.name} is left out: it needs {', '.join(missing)} "
                "(pip install -r benchmarks/requirements.txt)"
            )
        else:
            found.append(rival)
    return found


def wavelet_sigma(photo: Floats) -> float:
    """Noise from the median of the finest wavelet coefficients (Donoho, Johnstone 1994).

    Like scikit-image's estimate_sigma, which fails on photos without any detail.
    """
    import pywt

    deviations = []
    for channel in np.moveaxis(photo, -1, 0):
        finest = np.abs(pywt.dwtn(channel, "db2")["dd"])
        deviations.append(np.median(finest[finest > 0]) / 0.6745 if finest.any() else 0.0)
    return float(np.mean(deviations))


def _guided(guide: Floats, source: Floats, radius: int, eps: float) -> Floats:
    """Guided filter (He, Sun, Tang 2010) with one guide plane."""
    import cv2

    def box(plane: Any) -> Any:
        return cv2.blur(plane, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_source = box(guide), box(source)
    covariance = box(guide * source) - mean_guide * mean_source
    slope = covariance / (box(guide * guide) - mean_guide**2 + eps)
    offset = mean_source - slope * mean_guide
    smoothed: Floats = box(slope) * guide + box(offset)
    return smoothed
