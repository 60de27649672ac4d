"""Distance of a restoration to its reference: PSNR, SSIM, LPIPS; and how colourful it is.

Photos are (H, W, 3) RGB with values in [0, 1]. The definitions are those of the script behind
the LD-RPS paper's tables (arXiv 2507.00790), so that figures can stand next to published ones.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.colour import srgb
from ldrps_engine.errors import ModelError

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.floating[Any]]

LUMA = np.array(srgb.LUMA)
"""Weights of the display RGB in Y of YIQ."""

_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
# The ImageNet mean and deviation as LPIPS v0.1 states them, for inputs in [-1, 1].
_LPIPS_SHIFT = (-0.030, -0.088, -0.188)
_LPIPS_SCALE = (0.458, 0.448, 0.450)
# AlexNet's five convolutions: stride, padding, and whether a 3x3 max pool of stride 2 precedes.
_ALEXNET = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all RGB samples; infinite for equal photos."""
    _same_shape(a, b)
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity (Wang et al. 2004) of the two lumas, 1 for equal photos.

    Y of YIQ scaled to 0..255 and rounded, Gaussian window of 11x11 with sigma 1.5 where it
    fits ('valid'), K1 = 0.01, K2 = 0.03.
    """
    _same_shape(a, b)
    if min(a.shape[:2]) < _SSIM_WINDOW:
        raise ValueError(f"SSIM needs {_SSIM_WINDOW} pixels or more a side, not {a.shape[:2]}")
    x, y = _luma(a), _luma(b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return float(similarity.mean())


def colourfulness(a: Pixels) -> float:
    """Hasler and Süsstrunk's M3 (2003) on the 0..255 scale: 0 is grey, 15 slightly, 109 extremely.

    Needs no reference.
    """
    red, green, blue = np.moveaxis(a.astype(np.float64) * 255, -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    deviation = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    offset = math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
    return deviation + 0.3 * offset


class Lpips:
    """LPIPS v0.1 on AlexNet (Zhang et al. 2018): 0 for equal photos, larger is more different."""

    def __init__(self, weights: Path) -> None:
        """Read the arrays conv0_w .. conv4_b and lin0 .. lin4 from a safetensors file."""
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            arrays = load_file(weights)
            # Stored in half precision to be small; computed in single.
            arrays = {name: array.to(torch.float32) for name, array in arrays.items()}
            self._convs = [(arrays[f"conv{i}_w"], arrays[f"conv{i}_b"]) for i in range(5)]
            self._heads = [arrays[f"lin{i}"] for i in range(5)]
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(
                f"{weights} does not hold LPIPS weights for AlexNet ({error}); "
                "give the safetensors file with conv0_w .. conv4_b and lin0 .. lin4"
            ) from error

    def __call__(self, a: Pixels, b: Pixels) -> float:
        """Distance of two photos of one size, both sides at least 32 pixels."""
        import torch

        _same_shape(a, b)
        with torch.inference_mode():
            distance = torch.zeros(())
            for head, x, y in zip(self._heads, self._features(a), self._features(b), strict=True):
                difference = (_unit(x) - _unit(y)) ** 2
                distance += torch.nn.functional.conv2d(difference, head).mean()
            return float(distance)

    def _features(self, pixels: Pixels) -> list[torch.Tensor]:
        import torch
        from torch.nn.functional import conv2d, max_pool2d, relu

        x = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)).permute(2, 0, 1)[None]
        shift = torch.tensor(_LPIPS_SHIFT).view(1, 3, 1, 1)
        scale = torch.tensor(_LPIPS_SCALE).view(1, 3, 1, 1)
        x = (x * 2 - 1 - shift) / scale
        features = []
        for (weight, bias), (stride, padding, pooled) in zip(self._convs, _ALEXNET, strict=True):
            x = max_pool2d(x, 3, 2) if pooled else x
            x = relu(conv2d(x, weight, bias, stride, padding))
            features.append(x)
        return features


def _unit(features: torch.Tensor) -> torch.Tensor:
    """Each pixel's feature vector at length 1."""
    length: torch.Tensor = (features**2).sum(dim=1, keepdim=True).sqrt()
    return features / (length + 1e-10)


def _luma(pixels: Pixels) -> NDArray[np.float64]:
    luma: NDArray[np.float64] = np.rint(pixels.astype(np.float64) @ LUMA * 255)
    return luma


def _blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Gaussian window where it fits: one pass down, one across."""
    offsets = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    window /= window.sum()
    for _ in range(2):
        rows = plane.shape[0] - _SSIM_WINDOW + 1
        total = np.zeros((rows, plane.shape[1]))
        for start, weight in enumerate(window):
            total += weight * plane[start : start + rows]
        plane = total.T
    return plane


def _same_shape(a: Pixels, b: Pixels) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3:
        raise ValueError(f"photos of shapes {a.shape} and {b.shape}; give two (H, W, 3) alike")
