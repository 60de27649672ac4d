"""Synthetic degradations of good photos, drawn in linear light, for the recogniser.

Batches (N, 3, h, w) of display values in, the same degraded out, with what was done to each place.
Under-exposure of scenes with lamps and windows in them, backlight, haze whose depth comes from
position, brightness and planes, casts, fading and toning, then noise, tone curves and JPEG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ldrps_engine.analysis.recognition import FINDINGS
from ldrps_engine.priors.srgb import linear_to_srgb, luma, luminance, srgb_to_linear

_KINDS = ("good", "dark", "backlit", "hazy", "tinted", "faded", "toned")
_SHARES = (0.36, 0.14, 0.12, 0.18, 0.09, 0.05, 0.06)
# Missing stops from which a photo is called dark, from which surely, and below which not.
_STOPS = {"dark": (1.2, 1.6, 0.7), "backlit": (0.9, 1.1, 0.6)}
_SUBJECT = 0.3


@dataclass(frozen=True)
class Degraded:
    """A batch with what is wrong with it."""

    image: Tensor
    """(N, 3, h, w) display values."""
    labels: Tensor
    """(N, findings) 1 where the finding is there, 0 where not, in `FINDINGS`' order."""
    weights: Tensor
    """(N, findings) 0 where a finding is so weak that people would disagree."""
    gain: Tensor
    """(N, 1, h, w) natural log of the light that is missing, 0 where none is."""
    depth: Tensor
    """(N, 1, h, w) optical depth of the haze, 0 where none is."""


class DegradationModel:
    """Draws degradations; the same for the same generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._count = 0

    def __call__(self, clean: Tensor) -> Degraded:
        """Degrade a batch; about a third of it stays good."""
        self._count = count = len(clean)
        shares = torch.tensor(_SHARES)
        kind = torch.multinomial(shares, count, replacement=True, generator=self._generator)
        light = srgb_to_linear((clean * self._around(0.03, 3)).clamp(0, 1))
        light = light * self._around(0.15)
        labels, weights = torch.zeros(count, len(FINDINGS)), torch.ones(count, len(FINDINGS))
        size = clean.shape[2:]
        gain, depth = torch.zeros(count, 1, *size), torch.zeros(count, 1, *size)
        out = linear_to_srgb(light.clamp(0, 1))

        def some(name: str) -> Tensor:
            chosen = (kind == _KINDS.index(name)).nonzero().flatten()
            self._count = len(chosen)
            return chosen

        def put(name: str, chosen: Tensor, strong: Tensor, surely: Tensor) -> None:
            column = FINDINGS.index(name)
            labels[chosen, column] = strong.float()
            weights[chosen, column] = surely.float()

        for name in ("dark", "backlit"):
            if len(chosen := some(name)):
                shown, missing, stops = self._darkened(light[chosen], backlit=name == "backlit")
                out[chosen], gain[chosen] = shown, missing
                least, surely, hardly = _STOPS[name]
                put(name, chosen, stops > least, (stops > surely) | (stops < hardly))
        if len(chosen := some("hazy")):
            out[chosen], depth[chosen] = self._hazed(light[chosen])
            mean = depth[chosen].mean((1, 2, 3))
            put("hazy", chosen, mean > 0.3, (mean > 0.4) | (mean < 0.18))
        makers = {"tinted": self._tinted, "faded": self._faded, "toned": self._toned}
        for name, make in makers.items():
            if len(chosen := some(name)):
                out[chosen], strength = make(out[chosen])
                put(name, chosen, strength > 0.3, (strength > 0.4) | (strength < 0.2))
        self._count = count
        out = self._photographed(out)
        # Old prints have lost colour and contrast together: what else is there is not labelled.
        old = (kind >= _KINDS.index("tinted")) & (self._uniform(0, 1).flatten() < 0.35)
        faded, _ = self._faded(out)
        out = torch.where(old[:, None, None, None], faded, out)
        weights[old, FINDINGS.index("faded")] = 0
        return Degraded(out.clamp(0, 1), labels, weights, gain, depth)

    def _darkened(self, light: Tensor, *, backlit: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Too little light, everywhere or but where it comes from; lamps and windows stay."""
        height, width = light.shape[2:]
        scene = light / (1.05 - light.clamp(max=1))
        stops = self._uniform(0.2, 7.0) if not backlit else 0.5 * 2 ** self._uniform(0, 3.4)
        exposure = 0.5**stops
        lamps = self._lamps(height, width) * (self._uniform(0, 1) < 0.55)
        warm = torch.cat(
            [self._uniform(0.9, 1.1), self._uniform(0.7, 1.0), self._uniform(0.4, 1)], 1
        )
        shading = torch.ones_like(light[:, :1])
        if backlit:
            bright = self._bright_place(light)
            shading = exposure + (1 - exposure) * bright
            lit = light * shading * (1 + bright * self._uniform(0, 0.8))
        else:
            lit = (scene + lamps * warm * self._uniform(0.3, 3) / exposure) * exposure
            shading = shading * exposure
        rolled = lit * (1 + lit / 16) / (1 + lit * self._uniform(0.1, 1))
        shown = torch.where(self._uniform(0, 1) < 0.5, lit, rolled).clamp(0, 1)
        noise = (self._uniform(0, 0.004) * shown + self._uniform(0, 0.0015) ** 2).sqrt()
        shown = (shown + noise * self._normal(light.shape)).clamp(0, 1)
        cells = functional.avg_pool2d(luminance(light), 9, 1, 4)
        now = functional.avg_pool2d(luminance(shown), 9, 1, 4)
        missing = ((cells + 1e-3) / (now + 1e-3)).log().clamp(0, 6)
        meant = -shading.log()
        missing = torch.minimum(missing, meant + 0.5)
        target = stops.flatten()
        if backlit:
            # A third of the photo in shadow is what the photo is about.
            in_shadow = (shading < 0.5 * (1 + exposure)).float().mean((1, 2, 3))
            target = target * (in_shadow / _SUBJECT).clamp(max=1)
        return linear_to_srgb(shown), missing, target

    def _lamps(self, height: int, width: int) -> Tensor:
        y = torch.linspace(0, 1, height)[:, None]
        x = torch.linspace(0, 1, width)[None]
        total = torch.zeros(self._count, 1, height, width)
        for _ in range(4):
            there = (self._uniform(0, 1) < 0.6).float()
            row, column = self._uniform(0, 0.9), self._uniform(0, 1)
            tall, wide = self._uniform(0.01, 0.12), self._uniform(0.01, 0.12)
            distance = ((y - row) / tall) ** 2 + ((x - column) / wide) ** 2
            window = torch.maximum(((y - row) / tall).abs(), ((x - column) / wide).abs()) < 1
            lamp = torch.where(self._uniform(0, 1) < 0.5, (distance < 1).float(), window.float())
            total = total + there * (lamp + 0.008 * torch.exp(-distance / 60))
        return total

    def _bright_place(self, light: Tensor) -> Tensor:
        """Draw the sources of light: what is bright already, a sky above, or a window."""
        count, _, height, width = light.shape
        luma = functional.avg_pool2d(light.mean(1, keepdim=True), 9, 1, 4)
        flat = luma.flatten(1).sort(1).values
        at = (self._uniform(0.45, 0.9).flatten() * (flat.shape[1] - 1)).long()
        own = torch.sigmoid((luma - flat.gather(1, at[:, None])[..., None, None]) * 40)
        y = torch.linspace(0, 1, height)[None, None, :, None].expand(count, 1, height, width)
        x = torch.linspace(0, 1, width)[None, None, None].expand(count, 1, height, width)
        sky = torch.sigmoid((self._uniform(0.2, 0.6) + 0.2 * (x - 0.5) - y) * 40)
        inside = torch.maximum(
            (y - self._uniform(0.2, 0.6)).abs() / self._uniform(0.1, 0.3),
            (x - self._uniform(0.2, 0.8)).abs() / self._uniform(0.1, 0.3),
        )
        window = torch.sigmoid((1 - inside) * 15)
        drawn = self._uniform(0, 1)
        place = torch.where(
            drawn < 0.6, own, torch.where(drawn < 0.8, torch.maximum(sky, 0 * own), window)
        )
        return place

    def _hazed(self, light: Tensor) -> tuple[Tensor, Tensor]:
        """Koschmieder's law with a depth that was not measured."""
        count, _, height, width = light.shape
        y = torch.linspace(1, 0, height)[None, None, :, None].expand(count, 1, height, width)
        x = torch.linspace(-0.5, 0.5, width)[None, None, None].expand(count, 1, height, width)
        luma = luminance(light)
        soft = functional.avg_pool2d(luma ** (1 / 2.2), 11, 1, 5, count_include_pad=False)
        blobs = functional.interpolate(
            self._normal((count, 1, 5, 5)), (height, width), mode="bicubic"
        )
        depth = (
            self._uniform(0, 1.2) * y
            + self._uniform(-0.5, 0.5) * x
            + self._uniform(-0.3, 0.9) * soft
            + self._uniform(0, 0.35) * blobs
            + self._uniform(0.1, 1.2)
        )
        room = (self._uniform(0, 1) < 0.5).float()
        # In a room nothing is far, and nothing quite near: the haze lies over all of it.
        depth = depth.clamp(min=0.03) + room * self._uniform(0.3, 1.5)
        wanted = self._uniform(0.05, 1.8) * (1 - room) + self._uniform(0.1, 1.0) * room
        depth = depth / depth.mean((2, 3), keepdim=True) * wanted
        through = torch.exp(-depth)
        grey = self._uniform(0.55, 1.0) * (1 - room) + self._uniform(0.75, 1.0) * room
        spread = 1 - 0.8 * room
        air = grey * torch.cat([1 + spread * self._uniform(-0.08, 0.05) for _ in range(3)], 1)
        shown = linear_to_srgb(light.clamp(0, 1)) * through + air.clamp(max=1) * (1 - through)
        in_light = light * through + air.clamp(max=1) ** 2.2 * (1 - through)
        even = self._uniform(0, 1) < 0.4 + 0.4 * room
        return torch.where(even, shown, linear_to_srgb(in_light.clamp(0, 1))), depth

    def _tinted(self, image: Tensor) -> tuple[Tensor, Tensor]:
        stops = torch.cat([self._uniform(-1, 1) for _ in range(3)], 1)
        stops = stops - stops.mean(1, keepdim=True)
        strength = self._uniform(0.1, 1.3)
        stops = stops / stops.abs().amax(1, keepdim=True).clamp(min=0.2) * strength
        power = (0.25 * strength * self._normal((len(image), 3, 1, 1))).exp()
        tinted = linear_to_srgb(srgb_to_linear(image) * 2.0**stops).clamp(1e-4, 1) ** power
        return self._aged(tinted), strength.flatten()

    def _aged(self, image: Tensor) -> Tensor:
        """Dark corners, paler colours and soft grain, each over some of the photos."""
        height, width = image.shape[2:]
        y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None]
        corner = ((x**2 + y**2) / 2)[None, None]
        dark = (self._uniform(0, 1) < 0.4) * self._uniform(0, 0.7)
        image = image * (1 - dark * corner**1.5)
        grey = image.mean(1, keepdim=True)
        paler = (self._uniform(0, 1) < 0.4) * self._uniform(0, 0.6)
        image = image + paler * (grey - image)
        grain = functional.avg_pool2d(self._normal(image[:, :1].shape), 3, 1, 1)
        return image + (self._uniform(0, 1) < 0.4) * self._uniform(0, 0.08) * grain

    def _faded(self, image: Tensor) -> tuple[Tensor, Tensor]:
        strength = self._uniform(0.05, 1)
        low = strength * torch.cat([self._uniform(0.15, 0.45) for _ in range(3)], 1)
        low = 0.5 * low + 0.5 * low.mean(1, keepdim=True)
        high = 1 - strength * torch.cat([self._uniform(0.0, 0.3) for _ in range(3)], 1)
        grey = image.mean(1, keepdim=True)
        paler = image + strength * self._uniform(0, 0.7) * (grey - image)
        return low + (high - low) * paler, strength.flatten()

    def _toned(self, image: Tensor) -> tuple[Tensor, Tensor]:
        strength = self._uniform(0.1, 1)
        grey = luma(image)
        warm = torch.cat(
            [self._uniform(0.75, 0.98), self._uniform(0.95, 1.05), self._uniform(1.1, 1.7)], 1
        )
        toned = grey.clamp(min=1e-4) ** ((warm - 1) * strength + 1)
        return self._aged(toned), strength.flatten()

    def _photographed(self, image: Tensor) -> Tensor:
        """A tone curve, noise and JPEG after all of it."""
        image = image.clamp(1e-4, 1) ** (0.08 * self._normal((len(image), 1, 1, 1))).exp()
        # At the size of the encoder's view little is left of a photo's noise.
        noisy = self._uniform(0, 1) < 0.3
        image = image + noisy * self._uniform(0, 0.03) * self._normal(image.shape)
        chosen = torch.rand(len(image), generator=self._generator) < 0.2
        image = image.clamp(0, 1)
        for k in chosen.nonzero().flatten().tolist():
            quality = int(torch.randint(30, 95, (1,), generator=self._generator))
            image[k] = _as_jpeg(image[k], quality)
        return image

    def _around(self, spread: float, channels: int = 1) -> Tensor:
        return (spread * self._normal((self._count, channels, 1, 1))).exp()

    def _uniform(self, low: float, high: float) -> Tensor:
        drawn = torch.rand((self._count, 1, 1, 1), generator=self._generator)
        return low + (high - low) * drawn

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator)


def _as_jpeg(image: Tensor, quality: int) -> Tensor:
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    back = np.asarray(Image.open(buffer), dtype=np.float32) / 255
    return torch.from_numpy(back.copy()).permute(2, 0, 1)
