"""F-PAM, the feature-pixel alignment module: maps a clean image into the degraded photo's domain.

LD-RPS (ICCV 2025), the section on F-PAM, trained online on one photo. Two forms: the paper's
convolutions alone, and the same behind a physical model (a smooth field of gain and offset, then a
curve for each channel) that can explain light, haze, cast and fading but not content, so that it
cannot hide the degradation in the identity. Images are (N, 3, H, W), sRGB in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ldrps_engine.analysis.degradation import LOWEST_GAIN, Degradation
from ldrps_engine.analysis.tone_curve import LEAST
from ldrps_engine.priors.srgb import (
    grey_of,
    linear_to_srgb,
    plausible,
    rolled_off,
    scene_light,
    srgb_to_linear,
)

_FIELD = 12
_OFFSET_RATE = 0.1


class ConvolutionalFpam(nn.Module):
    """The paper's network: three convolutions and a residual branch, `width` 64 as published."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 1)
        )
        self.residual = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 3, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Degraded look of `image`."""
        aligned = self.head(image)
        return torch.as_tensor(aligned + self.residual(aligned))


class PhysicalFpam(nn.Module):
    """A smooth field of gain and offset per channel in light or display values, curves of casts and
    fading, then convolutions.

    Starts at the diagnosis' first guess; `pull` holds the field to it. `inverse` undoes the
    physical part, so that the photo can be compared with the clean image in the clean domain.
    """

    def __init__(self, guess: Degradation, width: int = 12) -> None:
        super().__init__()
        self._linear = guess.space == "light"
        self._white = guess.white
        self._least, self._unsure = guess.least, guess.unsure
        self._grey = guess.grey
        self._curved = guess.curve is not None
        self._chroma = 1.0
        if guess.curve is not None:
            self._chroma = guess.curve.chroma
            for name in ("low", "span", "power"):
                values = torch.from_numpy(getattr(guess.curve, name)).reshape(1, 3, 1, 1)
                self.register_buffer(name, values.contiguous())
        gain = torch.from_numpy(guess.gain).permute(2, 0, 1)[None]
        offset = torch.from_numpy(guess.offset).permute(2, 0, 1)[None]
        self.low: Tensor
        self.span: Tensor
        self.power: Tensor
        self.gain: Tensor
        self.offset: Tensor
        self.register_buffer("gain", gain.contiguous())
        self.register_buffer("offset", offset.contiguous())
        self.log_change = nn.Parameter(torch.zeros(1, 3, _FIELD, _FIELD))
        self.offset_change = nn.Parameter(torch.zeros(1, 3, _FIELD, _FIELD))
        last = nn.Conv2d(width, 3, 3, padding=1)
        # At zero the residual changes nothing: the first guess counts until something better is
        # learnt.
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.residual = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2), last)

    def forward(self, image: Tensor) -> Tensor:
        """Degraded look of `image`."""
        gain, offset = self._fields(image)
        scene = scene_light(self._to_working(image), self._white)
        degraded = self._from_working(scene * gain + offset)
        if self._grey:
            degraded = grey_of(degraded)
        degraded = self._faded(degraded)
        return torch.as_tensor(degraded + self.residual(degraded))

    def inverse(self, photo: Tensor, clean: Tensor) -> Tensor:
        """Clean image that the physical part alone would turn into `photo`.

        Where that has lost the colour, it is taken from the current `clean`.
        """
        gain, offset = self._fields(photo)
        photo = self._unfaded(photo)
        gain = gain.clamp(min=LOWEST_GAIN)
        scene = (self._to_working(photo) - offset) / gain
        scene = plausible(scene, gain, self._least, self._unsure)
        undone = self._from_working(rolled_off(scene, self._white))
        # Luma is the photo's, which was not lost; only chroma is taken from elsewhere.
        return undone + clean - grey_of(clean) if self._grey else undone

    def pull(self) -> Tensor:
        """Mean squared change from the first guess."""
        return self.log_change.square().mean() + self.offset_change.square().mean()

    def _fields(self, like: Tensor) -> tuple[Tensor, Tensor]:
        size = like.shape[-2:]

        def grow(field: Tensor) -> Tensor:
            return nn.functional.interpolate(field, size=size, mode="bilinear", align_corners=False)

        gain = grow(self.gain) * grow(self.log_change).exp()
        # A change of offset is in units of the clean image, so that a dark photo is not swamped.
        return gain, grow(self.offset) + _OFFSET_RATE * gain * grow(self.offset_change)

    def _faded(self, image: Tensor) -> Tensor:
        """Apply the curves, as `ToneCurve.redo`."""
        if not self._curved:
            return image
        grey = grey_of(image)
        paler = grey + (image - grey) / self._chroma
        # Near zero the slope of a power, or of its inverse, has no bound; a line goes on there.
        least = LEAST**self.power
        unit = paler.maximum(least) ** (1 / self.power) + (paler - least).clamp(max=0)
        return self.low + self.span * unit

    def _unfaded(self, image: Tensor) -> Tensor:
        """Undo the curves, as `ToneCurve.undo`."""
        if not self._curved:
            return image
        unit = (image - self.low) / self.span
        shown = unit.clamp(min=LEAST) ** self.power + (unit - LEAST).clamp(max=0)
        grey = grey_of(shown)
        return grey + self._chroma * (shown - grey)

    def _to_working(self, image: Tensor) -> Tensor:
        return srgb_to_linear(image) if self._linear else image

    def _from_working(self, values: Tensor) -> Tensor:
        return linear_to_srgb(values) if self._linear else values


class Discriminator(nn.Module):
    """The adversary of F-PAM's training: three strided convolutions, then a map of logits."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for k in range(3):
            layers += [
                nn.Conv2d(channels, width * 2**k, 3, stride=2, padding=1),
                nn.LeakyReLU(0.2),
            ]
            channels = width * 2**k
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, 1, H/8, W/8): above 0 where the image looks like the photo."""
        return torch.as_tensor(self.layers(image))
