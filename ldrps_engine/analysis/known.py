"""Measurements of a photo at its own size, made once. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from ldrps_engine.analysis.blocks import Blocks, find_blocks
from ldrps_engine.analysis.correlated_noise import without_texture
from ldrps_engine.analysis.halftone import Halftone, find_halftone
from ldrps_engine.analysis.hot_pixels import find_hot_pixels
from ldrps_engine.analysis.noise_level import Noise, measure_noise
from ldrps_engine.analysis.samples import Values


@dataclass(frozen=True, kw_only=True)
class Known:
    """Measurements of a photo at its own size, hot pixels mended."""

    noise: Noise
    blocks: Blocks
    hot_pixels: int
    halftone: Halftone

    @classmethod
    def of(cls, rgb: Values, *, noisy: bool = True) -> tuple[Known, Values]:
        """Measure an (H, W, 3) or (H, W, 1) image; also returns it without hot pixels.

        Noise, which takes longest, is not measured if the photo is known not to be `noisy`.
        """
        hot = find_hot_pixels(rgb)
        rgb = hot.mend(rgb)
        noise = without_texture(rgb, measure_noise(rgb)) if noisy else Noise.none(rgb.shape[2])
        known = cls(
            noise=noise,
            blocks=find_blocks(rgb),
            hot_pixels=hot.count,
            halftone=find_halftone(rgb),
        )
        return known, rgb
