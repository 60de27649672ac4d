"""Display values, light, luma and chroma of tensors; `colour.srgb` has the same for arrays.

Images are (N, 3, H, W). Everything is differentiable.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ldrps_engine.colour.srgb import (
    EXPONENT,
    FLARE,
    LUMINANCE,
    OFFSET,
    SCALE,
    SHADOW,
    SLOPE,
    STRAIGHT_DISPLAY,
    STRAIGHT_LIGHT,
    TINY,
    YCC,
)

_LUMINANCE = torch.from_numpy(LUMINANCE)[:, None, None]
# Rounds after which the inverse of a roll-off is exact to a step of sixteen bits.
_ROUNDS = 20
_YCC = torch.from_numpy(YCC)


def srgb_to_linear(values: Tensor) -> Tensor:
    """Display values to light, odd around 0 (IEC 61966-2-1)."""
    size = values.abs()
    curve = ((size + OFFSET) / SCALE) ** EXPONENT
    return torch.where(size <= STRAIGHT_DISPLAY, size / SLOPE, curve) * values.sign()


def linear_to_srgb(light: Tensor) -> Tensor:
    """Light to display values, odd around 0; the inverse of `srgb_to_linear`."""
    size = light.abs()
    curve = SCALE * size.clamp(min=1e-6) ** (1 / EXPONENT) - OFFSET
    return torch.where(size <= STRAIGHT_LIGHT, SLOPE * size, curve) * light.sign()


def luminance(light: Tensor) -> Tensor:
    """Luminance (N, 1, H, W) of linear light, ITU-R BT.709."""
    return (light * _LUMINANCE.to(light.device)).sum(1, keepdim=True)


def luma(image: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of display values, ITU-R BT.601."""
    return (image * _YCC[0, :, None, None].to(image.device)).sum(1, keepdim=True)


def grey_of(image: Tensor) -> Tensor:
    """Luma in all three channels."""
    return luma(image).expand_as(image)


def ycc(rgb: Tensor) -> Tensor:
    """Luma, Cb and Cr (N, 3, H, W) of display values, ITU-R BT.601."""
    return torch.einsum("ij,njhw->nihw", _YCC.to(rgb.device), rgb)


def rolled_off(light: Tensor, white: float) -> Tensor:
    """Bend the light of a scene below white as a photo shows it, see `colour.srgb.roll_off`."""
    if white == 1:
        return light
    own, common = (_bent(scene, white) for scene in (light, luminance(light)))
    return light * (common + (1 - common) * (own - common))


def scene_light(light: Tensor, white: float) -> Tensor:
    """Inverse of `rolled_off`: alternately of each channel, and of what they make together."""
    if white == 1:
        return light
    shown = light.clamp(min=0)
    scene = shown * _unbent(luminance(shown), white)
    for _ in range(_ROUNDS):
        common = _bent(luminance(scene), white).clamp(max=1)
        # c^2 x + (1 - c) (x + x^2 / white^2) / (1 + x) = shown is quadratic in x.
        square = common.square() + (1 - common) / white**2
        linear = common.square() + 1 - common - shown
        scene = 2 * shown / (linear + (linear.square() + 4 * square * shown).sqrt())
    return scene + light - shown


def plausible(light: Tensor, share: Tensor, least: float, unsure: float) -> Tensor:
    """Light of a scene without colours that a dark photo only seems to have.

    See `colour.srgb.plausible`.
    """
    if not (least or unsure):
        return light
    scene = luminance(light).clamp(min=0)
    missing = (1 - share).clamp(min=0)
    there = (share * scene).square()
    fading = missing * unsure**2 / (there + (unsure**2 + TINY))
    faded = light + fading * (scene - light)
    shadow = SHADOW**2 / (there + SHADOW**2)
    return faded.maximum(least * shadow * missing * scene) + FLARE * missing


def _bent(scene: Tensor, white: float) -> Tensor:
    """Factor by which light is bent, see `colour.srgb.roll_off_gain`."""
    scene = scene.clamp(min=0)
    return (1 + scene / white**2) / (1 + scene)


def _unbent(shown: Tensor, white: float) -> Tensor:
    """Inverse of the factor by which luminance was bent that is shown as this one."""
    # L + L^2 / white^2 = shown (1 + L), in the form that is exact near black.
    return 2 / (1 - shown + ((1 - shown).square() + 4 * shown / white**2).sqrt())
