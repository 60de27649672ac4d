"""Crops of photos with damage drawn over them, its masks; and crops that only look damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ldrps_engine.colour.srgb import LUMA, to_display, to_linear
from training import graphics
from training.belongings import with_belongings
from training.damage_shapes import SHAPES, Array, Rng, blurred, log_uniform, smooth_noise
from training.photos import PhotoPack

# Coverage from which a pixel counts as damaged, in a scan as soft as it may be.
_COVERED = 0.25
# Difference below which changed pixels count less, and their weight.
_UNSEEN, _LITTLE = 0.03, 0.3
_WARM = np.array([-0.8, 0, 1.3], np.float32)


@dataclass(frozen=True)
class Batch:
    """Crops (N, 3, s, s) in [0, 1], masks of damage (N, 1, s, s), and weights of the pixels."""

    images: Tensor
    damaged: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Example:
    """One crop (s, s, 3), its mask (s, s) and the weights of its pixels."""

    image: Array
    damaged: Array
    weight: Array


class Batches:
    """Draws batches from photos of a pack; the same for the same seed."""

    def __init__(self, pack: PhotoPack, indices: list[int], side: int, count: int) -> None:
        self._pack, self._side, self._count = pack, side, count
        self._indices = indices
        self._weights = [pack.weight(index) for index in indices]

    def drawer(self, seed: int) -> _Drawer:
        """Return a source of batches with its own generators."""
        return _Drawer(self, random.Random(seed), np.random.default_rng(seed))

    def clean(self, python: random.Random, rng: Rng) -> Array:
        """Return an undamaged crop in [0, 1]: now and then a page or a drawing."""
        side = self._side
        if python.random() < 0.06:
            # Teaches that the lines of pages and drawings are not scratches.
            drawn = Image.fromarray(graphics.draw(python)).resize((side, side))
            return np.asarray(drawn, np.float32) / np.float32(255)
        index = python.choices(self._indices, self._weights)[0]
        crop = self._pack.crop(index, side, python)
        turned = np.rot90(crop, rng.choice([0, 0, 0, 1, 3]))
        return np.divide(np.ascontiguousarray(turned), 255, dtype=np.float32)

    def example(self, python: random.Random, rng: Rng) -> Example:
        """Return one crop with or without damage."""
        rgb = self.clean(python, rng)
        if rng.random() < 0.35:
            rgb = with_belongings(rgb, rng)
        # Before the damage, which lies on the print and is as sharp and as bright as it likes.
        rgb = _as_printed(rgb, rng)
        cover = np.zeros(rgb.shape[:2], np.float32)
        before = rgb
        if rng.random() < 0.6:
            for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
                rgb, more = with_damage(rgb, rng)
                cover = np.maximum(cover, more)
        if rng.random() < 0.4:
            soften = _softness(rng)
            # Softness spreads damage: what it reaches is damaged, too.
            rgb, before, cover = soften(rgb), soften(before), soften(cover[..., None])[..., 0]
        damaged = (cover > _COVERED).astype(np.float32)
        # Damage that looks like what it covers cannot be found, and hardly counts.
        seen = np.abs(rgb - before).max(-1) > _UNSEEN
        weight = np.where(seen | (damaged == 0), 1, _LITTLE).astype(np.float32)
        return Example(_as_scanned(rgb, rng), damaged, weight)

    def batch(self, python: random.Random, rng: Rng) -> Batch:
        """Gather the next examples."""
        made = [self.example(python, rng) for _ in range(self._count)]
        images = torch.from_numpy(np.stack([one.image for one in made])).permute(0, 3, 1, 2)
        damaged, weight = (
            torch.from_numpy(np.stack([getattr(one, name) for one in made]))[:, None]
            for name in ("damaged", "weight")
        )
        return Batch(images.contiguous(memory_format=torch.channels_last), damaged, weight)


@dataclass(frozen=True)
class _Drawer:
    batches: Batches
    python: random.Random
    numpy: Rng

    def draw(self) -> Batch:
        """Return the next batch."""
        return self.batches.batch(self.python, self.numpy)


def with_damage(rgb: Array, rng: Rng) -> tuple[Array, Array]:
    """Draw damage of one kind over a crop (s, s, 3); also returns how much it covers (s, s)."""
    side = len(rgb)
    names = list(SHAPES)
    weights = np.array([SHAPES[name][1] for name in names])
    kind = names[rng.choice(len(names), p=weights / weights.sum())]
    cover = SHAPES[kind][0](side, rng)
    if rng.random() < 0.2:
        cover = blurred(cover, log_uniform(0.4, 2, rng))
        cover = np.minimum(1, cover * np.float32(rng.uniform(1, 1.6)))
    if kind in ("blotches", "loss", "dust") and rng.random() < 0.08:
        return _stained(rgb, cover, rng), cover
    if kind == "folds" and rng.random() < 0.5:
        rgb = _creased(rgb, cover, rng)
    whole = cover
    if kind in ("cracks", "folds", "torn", "loss") and rng.random() < 0.2:
        rgb, shadow = _in_relief(rgb, cover, rng)
        whole = np.maximum(cover, shadow)
    strength = 1.0 if rng.random() < 0.75 else rng.uniform(0.5, 1)
    amount = cover[..., None] * np.float32(strength)
    return np.asarray(rgb + amount * (_ground(side, rng) - rgb), np.float32), whole


def _ground(side: int, rng: Rng) -> Array:
    """Draw what shows where the picture is gone: paper, black, or a stain that hides all."""
    pick = rng.random()
    if pick < 0.8:
        colour = rng.uniform(0.75, 1) * (1 - rng.uniform(0, 0.25) * np.array([0, 0.35, 1]))
        colour = np.full(3, colour[0]) if rng.random() < 0.55 else colour
    elif pick < 0.94:
        colour = np.full(3, rng.uniform(0, 0.22))
    else:
        colour = rng.uniform(0.1, 0.9) * (1 - rng.uniform(0, 0.4) * np.array([0, 0.35, 1]))
    ground = np.broadcast_to(colour.astype(np.float32), (side, side, 3))
    if rng.random() < 0.7:
        channels = 1 if rng.random() < 0.7 else 3
        noise = rng.standard_normal((side, side, channels), np.float32)
        ground = ground + np.float32(rng.uniform(0, 0.04)) * noise
    if rng.random() < 0.3:
        texture = smooth_noise(side, log_uniform(3, 60, rng), rng)
        ground = ground + np.float32(rng.uniform(0, 0.06)) * texture[..., None]
    return np.clip(ground, 0, 1).astype(np.float32)


def _stained(rgb: Array, cover: Array, rng: Rng) -> Array:
    """Darken or bleach what stays visible below, with a rim as drying leaves it."""
    rim = np.clip(blurred(cover, rng.uniform(2, 5)) * (1 - cover) * 2, 0, 1)[..., None]
    tint = rng.uniform(0.35, 0.75) * (1 - rng.uniform(0, 0.5) * np.array([0, 0.3, 1]))
    dark = rgb * tint if rng.random() < 0.6 else 1 - (1 - rgb) * rng.uniform(0.2, 0.6)
    covered = np.clip(cover[..., None] + 0.4 * rim, 0, 1)
    return np.asarray(rgb + covered * (dark - rgb), np.float32)


def _creased(rgb: Array, cover: Array, rng: Rng) -> Array:
    """Lighten one side of a fold and shade the other."""
    soft = blurred(cover, rng.uniform(3, 9))
    across = np.gradient(soft, axis=int(rng.integers(0, 2)))
    ramp = across / max(float(np.abs(across).max()), 1e-3) * rng.uniform(-0.25, 0.25)
    return np.clip(rgb * (1 + ramp[..., None]), 0, 1).astype(np.float32)


def _in_relief(rgb: Array, cover: Array, rng: Rng) -> tuple[Array, Array]:
    """Draw the shadow of curled edges, as a scanner's lamp casts it; also returns its cover."""
    shift = rng.choice([-2, -1, 1, 2], 2)
    moved = np.roll(cover, shift, (0, 1))
    shadow = blurred(np.clip(moved - cover, 0, 1), log_uniform(0.3, 1.2, rng))
    dark = np.float32(rng.uniform(0.3, 0.9))
    return np.asarray(rgb * (1 - dark * shadow[..., None]), np.float32), dark * shadow


def _softness(rng: Rng) -> Callable[[Array], Array]:
    """Draw how a scan softens values (s, s, C): a lens out of focus, or too many pixels."""
    radius = log_uniform(0.4, 2, rng)
    if rng.random() < 0.65:
        sharpening = rng.uniform(0.5, 2) if rng.random() < 0.25 else 0.0

        def soften(values: Array) -> Array:
            soft = _softened(values, radius)
            wider = _softened(soft, 1.5 * radius) if sharpening else soft
            return np.clip(soft + np.float32(sharpening) * (soft - wider), 0, 1)

        return soften
    smaller = rng.uniform(1.3, 2.5)
    return lambda values: _enlarged(values, smaller)


def _enlarged(values: Array, factor: float) -> Array:
    """Values (s, s, C) as if a copy smaller by a factor had been enlarged."""
    side = len(values)
    low = max(8, round(side / factor))

    def again(channel: Array) -> Array:
        small = Image.fromarray(channel).resize((low, low), Image.Resampling.BOX)
        large = small.resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(large, np.float32)

    return np.stack([again(channel) for channel in np.moveaxis(values, 2, 0)], 2)


def _as_printed(rgb: Array, rng: Rng) -> Array:
    """Apply lens, film and tone of the picture itself, before anything happened to it."""
    if rng.random() < 0.3:
        rgb = _exposed(rgb, log_uniform(0.05, 5, rng))
    if rng.random() < 0.35:
        rgb = _toned(rgb, rng)
    if rng.random() < 0.15:
        rgb = _softened(rgb, log_uniform(0.4, 2, rng))
    if rng.random() < 0.2:
        white, left = rng.uniform(0.75, 1.0), rng.uniform(0.45, 1.0)
        rgb = white - left * white * (1 - rgb)
    if rng.random() < 0.25:
        rgb = np.clip(rgb, 0, 1) ** log_uniform(0.6, 2, rng)
    if rng.random() < 0.25:
        rgb = _grained(rgb, log_uniform(0.005, 0.12, rng), rng)
    return np.clip(rgb, 0, 1).astype(np.float32)


def _exposed(rgb: Array, gain: float) -> Array:
    """The same with more or less light: windows and skies burn out, or lamps alone are bright."""
    return to_display(np.clip(to_linear(np.clip(rgb, 0, 1)) * np.float32(gain), 0, 1))


def _toned(rgb: Array, rng: Rng) -> Array:
    grey = (rgb @ np.array(LUMA, np.float32))[..., None]
    if rng.random() < 0.5:
        return np.repeat(grey, 3, axis=2)
    warmth = np.float32(rng.uniform(0.02, 0.3))
    return np.asarray(grey ** (1 + warmth * _WARM), np.float32)


def _softened(rgb: Array, radius: float) -> Array:
    return np.stack([blurred(channel, radius) for channel in np.moveaxis(rgb, 2, 0)], 2)


def _grained(rgb: Array, sigma: float, rng: Rng) -> Array:
    channels = 1 if rng.random() < 0.6 else 3
    noise = rng.standard_normal((*rgb.shape[:2], channels), np.float32)
    if rng.random() < 0.4:
        noise = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / np.float32(3**0.5)
    return np.asarray(rgb + np.float32(sigma) * noise, np.float32)


def _as_scanned(rgb: Array, rng: Rng) -> Array:
    """Apply tone, noise and compression of the scan, over picture and damage alike."""
    if rng.random() < 0.15:
        rgb = _toned(np.clip(rgb, 1e-3, 1), rng)
    if rng.random() < 0.3:
        rgb = _grained(rgb, log_uniform(0.004, 0.06, rng), rng)
    pixels: NDArray[np.uint8] = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.45:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(35, 97)))
        with Image.open(file) as opened:
            pixels = np.asarray(opened)
    return pixels.astype(np.float32) / np.float32(255)
