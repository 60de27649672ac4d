"""Quality of priors and classic filters in taking white noise out of photos never trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ldrps_engine.analysis.resampling import resize
from ldrps_engine.diffusion.view import View
from ldrps_engine.priors.base import LatentPrior
from ldrps_engine.priors.schedule import noise_ratios
from training.config import TrainingError
from training.metrics import psnr
from training.neighbours import without_twins
from training.photos import PhotoPack

Array = NDArray[np.float32]
Filter = Callable[[Array, float], Array]
"""A noisy photo (H, W, 3) in [0, 1] and its sigma in the same units to a filtered one."""

SIGMAS = (5, 15, 25, 50, 75)
"""Standard deviations of the noise, of 255."""

_LONG_SIDE = 512
_FACTORS = (1.0, 1.4, 2.0)


@dataclass(frozen=True)
class Rung:
    """Mean PSNR in dB at one noise level, per method; `factor` is the best timestep's."""

    sigma: int
    psnr: dict[str, float]
    factor: float


def unseen_photos(pack: PhotoPack, count: int, side: int) -> list[Array]:
    """Central crops of held-out photos, the sources taking turns; the same on every call.

    Collections contain photos twice: held-out ones with a twin among the trained are left out.
    """
    queues: dict[str, list[int]] = {}
    for index in without_twins(pack):
        queues.setdefault(pack.photos[index].source, []).append(index)
    turns = max(map(len, queues.values()), default=0)
    order = [q[turn] for turn in range(turns) for q in queues.values() if turn < len(q)]
    return [_central_crop(pack, index, side) for index in order[:count]]


def _central_crop(pack: PhotoPack, index: int, side: int) -> Array:
    """Large photos are reduced first, so that a crop shows a scene and not one texture."""
    image = pack.small(index, _LONG_SIDE)
    height, width = image.shape[:2]
    side = min(side, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def climb(photos: list[Array], prior: LatentPrior, filters: dict[str, Filter]) -> list[Rung]:
    """Denoise every photo at every level with the prior and with each filter."""
    if not photos:
        raise TrainingError("no photo is held out that was not also trained on; pack more photos")
    return [_rung(photos, sigma, prior, filters) for sigma in SIGMAS]


def _rung(photos: list[Array], sigma: int, prior: LatentPrior, filters: dict[str, Filter]) -> Rung:
    level = sigma / 255
    noise = np.random.default_rng(sigma)
    noisy = [p + noise.normal(0, level, p.shape).astype(np.float32) for p in photos]
    means = {"noisy": _mean(photos, noisy)}
    for name, denoise in filters.items():
        means[name] = _mean(photos, [denoise(n, level) for n in noisy])
    tried = {
        factor: _mean(photos, [evaluate_once(prior, n, factor * level) for n in noisy])
        for factor in _FACTORS
    }
    best = max(tried, key=lambda factor: tried[factor])
    means |= {"prior": tried[1.0], "prior, best step": tried[best]}
    rung = Rung(sigma, {name: round(value, 2) for name, value in means.items()}, best)
    print(f"sigma {sigma}: {rung.psnr}", flush=True)
    return rung


def evaluate_once(prior: LatentPrior, noisy: Array, level: float) -> Array:
    """One evaluation at the timestep whose noise is `level`, small photos enlarged twice."""
    height, width = noisy.shape[:2]
    view = View.fit(height, width, prior.view, prior.multiple, prior.most_enlarged)
    # Latents are of images in [-1, 1], levels of images in [0, 1].
    step = fitting_step(prior.alphas, 2 * level)
    empty = prior.embed("")
    with torch.no_grad():
        latents = prior.encode(view.to_model(noisy)) * prior.alphas[step].sqrt()
        image = prior.decode(prior.denoise(latents, step, empty, empty, 1.0))
    return resize(view.from_model(image), noisy.shape[:2])


def fitting_step(alphas: torch.Tensor, ratio: float) -> int:
    """The timestep whose noise-to-signal ratio is nearest to `ratio`."""
    return int((noise_ratios(alphas).log() - math.log(ratio)).abs().argmin())


def available_filters() -> dict[str, Filter]:
    """BM3D (not for commercial use, so never required) and non-local means, where installed."""
    filters: dict[str, Filter] = {}
    try:
        import bm3d

        filters["BM3D"] = lambda noisy, level: np.asarray(bm3d.bm3d_rgb(noisy, level))
    except ImportError:
        print("BM3D is left out; the PyPI package bm3d is not installed")
    try:
        from skimage.restoration import denoise_nl_means

        filters["non-local means"] = lambda noisy, level: np.asarray(
            denoise_nl_means(
                noisy,
                patch_size=5,
                patch_distance=6,
                h=0.6 * level,
                sigma=level,
                fast_mode=True,
                channel_axis=2,
            )
        )
    except ImportError:
        print("non-local means is left out; the PyPI package scikit-image is not installed")
    return filters


def _mean(photos: list[Array], others: list[Array]) -> float:
    clipped = [np.clip(other, 0, 1) for other in others]
    return float(np.mean([psnr(a, b) for a, b in zip(photos, clipped, strict=True)]))
