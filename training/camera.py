"""Noise as cameras make it: in light, at a mosaic of colours, through a tone curve and JPEG.

Photons are Poisson, the sensor's reading is Gaussian (Foi et al., IEEE TIP 2008); white balance
amplifies channels unequally, demosaicing, sharpening, resizing and JPEG give noise its slope.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldrps_engine.colour.srgb import to_display, to_linear

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Settings with which one camera took and saved a photo. Neutral: no noise, nothing done."""

    shot: float = 0.0
    """Variance per unit of light, at white in green."""
    read: float = 0.0
    """Standard deviation in black, in units of white in green."""
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of white balance on each channel's light."""
    contrast: float = 0.0
    """Strength of the tone curve's S, 0 to 1."""
    demosaiced: bool = False
    shrunk: float = 1.0
    """Taken so many times as large as it is saved."""
    quality: int = 0
    """JPEG quality; 0: not compressed."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Camera:
        """Draw one that is noisy: high sensitivity, any processing."""
        shot = math.exp(rng.uniform(math.log(3e-4), math.log(2e-2)))
        return cls(
            shot=shot,
            read=math.sqrt(shot) * rng.uniform(0.02, 0.25),
            # A sensor sees green best; red and blue are amplified to match.
            balance=(rng.uniform(1.2, 2.4), 1.0, rng.uniform(1.2, 2.4)),
            contrast=float(rng.uniform(0, 0.8)),
            demosaiced=rng.random() < 0.7,
            shrunk=math.exp(rng.uniform(math.log(0.5), math.log(2.2)))
            if rng.random() < 0.6
            else 1.0,
            quality=int(rng.uniform(70, 99)) if rng.random() < 0.6 else 0,
        )

    def take(self, rgb: Array, rng: np.random.Generator) -> Array:
        """Take a good photo (H, W, 3) of display values again, noise and all."""
        height, width = rgb.shape[:2]
        if self.shrunk != 1:
            rgb = _resized(rgb, (round(height * self.shrunk), round(width * self.shrunk)))
        # The tone curve comes once more at the end, so it is undone first.
        light = to_linear(np.clip(self._flattened(rgb), 0, 1))
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        raw = np.asarray(light + self.raw_deviation(light) * noise, dtype=np.float32)
        if self.demosaiced:
            raw = demosaic(raw)
        out = self._bent(to_display(np.clip(raw, 0, 1)))
        if self.shrunk != 1:
            out = _resized(out, (height, width))
        return saved(out, self.quality)

    def raw_deviation(self, light: Array) -> Array:
        """Standard deviation of light (..., 3) after white balance, before anything else."""
        balance = np.asarray(self.balance, np.float32)
        variance = self.shot * light * balance + (self.read * balance) ** 2
        return np.asarray(np.sqrt(variance), dtype=np.float32)

    def _bent(self, values: Array) -> Array:
        """An S, which keeps black, white and the middle."""
        curve = values * values * (3 - 2 * values)
        return np.asarray(values + self.contrast * (curve - values), dtype=np.float32)

    def _flattened(self, values: Array) -> Array:
        """Inverse of `_bent`."""
        at = np.linspace(0, 1, 1025, dtype=np.float32)
        return np.asarray(np.interp(values, self._bent(at), at), dtype=np.float32)


def film(rgb: Array, rng: np.random.Generator) -> Array:
    """Grain of film on (H, W, 3) display values: coarse, in luminance most, and in mid tones."""
    height, width = rgb.shape[:2]
    size = rng.uniform(1.0, 2.6)
    fine = rng.standard_normal((round(height / size) + 1, round(width / size) + 1, 3))
    grain = _resized(fine.astype(np.float32), (height, width))
    grain /= grain.std()
    colour = rng.uniform(0, 0.7)
    # The mean of three independent channels has a third of their variance.
    grain = colour * grain + (1 - colour) * grain.mean(2, keepdims=True) * math.sqrt(3)
    tones = np.clip(4 * rgb * (1 - rgb), 0, 1) ** rng.uniform(0, 1)
    strength = math.exp(rng.uniform(math.log(5), math.log(25))) / 255
    return np.asarray(rgb + np.float32(strength) * tones * grain, dtype=np.float32)


def demosaic(light: Array) -> Array:
    """Light (H, W, 3) sampled at a Bayer mosaic and interpolated.

    Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned
    color images" (ICASSP 2004).
    """
    height, width = light.shape[:2]
    rows, columns = np.mgrid[:height, :width] % 2
    red, blue = (rows == 0) & (columns == 0), (rows == 1) & (columns == 1)
    green = ~(red | blue)
    mosaic = np.where(red, light[..., 0], np.where(blue, light[..., 2], light[..., 1]))
    cross = _filtered(mosaic, _CROSS)
    across, down = _filtered(mosaic, _ALONG), _filtered(mosaic, _ALONG.T)
    diagonal = _filtered(mosaic, _DIAGONAL)
    in_red_row = rows == 0
    out = np.stack([mosaic] * 3, axis=-1)
    out[..., 1] = np.where(green, mosaic, cross)
    for channel, own, opposite in ((0, red, blue), (2, blue, red)):
        beside = in_red_row if channel == 0 else ~in_red_row
        at_green = np.where(beside, across, down)
        out[..., channel] = np.where(own, mosaic, np.where(opposite, diagonal, at_green))
    return np.asarray(out, dtype=np.float32)


def saved(rgb: Array, quality: int) -> Array:
    """Store as an 8-bit file holds it: rounded, or a JPEG with chroma at half the size."""
    image = Image.fromarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))
    if quality:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, subsampling=2)
        file.seek(0)
        image = Image.open(file).convert("RGB")
    return np.asarray(image, dtype=np.float32) / np.float32(255)


_CROSS = np.zeros((5, 5))
_CROSS[2] = -1, 2, 4, 2, -1
_CROSS[:, 2] += -1, 2, 0, 2, -1
_CROSS /= 8
_ALONG = (
    np.array(
        [
            [0, 0, 0.5, 0, 0],
            [0, -1, 0, -1, 0],
            [-1, 4, 5, 4, -1],
            [0, -1, 0, -1, 0],
            [0, 0, 0.5, 0, 0],
        ]
    )
    / 8
)
_DIAGONAL = (
    np.array(
        [
            [0, 0, -1.5, 0, 0],
            [0, 2, 0, 2, 0],
            [-1.5, 0, 6, 0, -1.5],
            [0, 2, 0, 2, 0],
            [0, 0, -1.5, 0, 0],
        ]
    )
    / 8
)


def _filtered(plane: NDArray[np.floating], kernel: NDArray[np.float64]) -> NDArray[np.floating]:
    padded = np.pad(plane, 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    return np.asarray(np.einsum("hwij,ij->hw", windows, kernel))


def _resized(rgb: Array, size: tuple[int, int]) -> Array:
    planes = [
        Image.fromarray(np.ascontiguousarray(rgb[..., c], dtype=np.float32)).resize(
            size[::-1], Image.Resampling.BICUBIC
        )
        for c in range(rgb.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
