"""F-PAM, the feature-pixel alignment module: maps a clean image into the degraded photo's domain.

LD-RPS (ICCV 2025), section 3.2, trained online on one photo. Two forms: the paper's
convolutions alone, and the same behind a physical model (a smooth field of gain and veil) that
can explain light, haze and cast but not content, so that it cannot hide the degradation in the
identity. Images are (N, 3, H, W), sRGB in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ldrps_engine.analysis.degradation import LOWEST_GAIN, Degradation

_FIELD = 12
_VEIL_RATE = 0.1


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
    """A smooth field of gain and veil per channel in light or display values, then convolutions.

    Starts at the diagnosis' first guess; `pull` holds the field to it. `inverse` undoes the
    physical part, so that the photo can be compared with the clean image in the clean domain.
    """

    def __init__(self, guess: Degradation, width: int = 12) -> None:
        super().__init__()
        self._linear = guess.space == "light"
        self._white = guess.white
        self._grey = guess.grey
        gain = torch.from_numpy(guess.gain).permute(2, 0, 1)[None]
        veil = torch.from_numpy(guess.veil).permute(2, 0, 1)[None]
        self.gain: Tensor
        self.veil: Tensor
        self.register_buffer("gain", gain.contiguous())
        self.register_buffer("veil", veil.contiguous())
        self.log_change = nn.Parameter(torch.zeros(1, 3, _FIELD, _FIELD))
        self.veil_change = nn.Parameter(torch.zeros(1, 3, _FIELD, _FIELD))
        last = nn.Conv2d(width, 3, 3, padding=1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.residual = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2), last)

    def forward(self, image: Tensor) -> Tensor:
        """Degraded look of `image`."""
        gain, veil = self._fields(image)
        scene = scene_light(self._to_working(image), self._white)
        degraded = self._from_working(scene * gain + veil)
        if self._grey:
            degraded = grey_of(degraded)
        return torch.as_tensor(degraded + self.residual(degraded))

    def inverse(self, photo: Tensor, clean: Tensor) -> Tensor:
        """Clean image that the physical part alone would turn into `photo`.

        Where that has lost the colour, it is taken from the current `clean`.
        """
        gain, veil = self._fields(photo)
        scene = (self._to_working(photo) - veil) / gain.clamp(min=LOWEST_GAIN)
        undone = self._from_working(rolled_off(scene, self._white))
        return undone + clean - grey_of(clean) if self._grey else undone

    def pull(self) -> Tensor:
        """Mean squared change from the first guess."""
        return self.log_change.square().mean() + self.veil_change.square().mean()

    def _fields(self, like: Tensor) -> tuple[Tensor, Tensor]:
        size = like.shape[-2:]

        def grow(field: Tensor) -> Tensor:
            return nn.functional.interpolate(field, size=size, mode="bilinear", align_corners=False)

        gain = grow(self.gain) * grow(self.log_change).exp()
        # A change of veil is in units of the clean image, so that a dark photo is not swamped.
        return gain, grow(self.veil) + _VEIL_RATE * gain * grow(self.veil_change)

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


def grey_of(image: Tensor) -> Tensor:
    """Luma (ITU-R BT.601) in all three channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=image.device)[:, None, None]
    return (image * weights).sum(1, keepdim=True).expand_as(image)


def rolled_off(light: Tensor, white: float) -> Tensor:
    """`colour.roll_off` for (N, 3, H, W): the light of a scene as a photo shows it."""
    if white == 1:
        return light
    scene = _luminance(light)
    return light * ((1 + scene / white**2) / (1 + scene))


def scene_light(light: Tensor, white: float) -> Tensor:
    """Inverse of `rolled_off`."""
    if white == 1:
        return light
    shown = _luminance(light)
    # L + L^2 / white^2 = shown (1 + L), in the form that is exact near black.
    scene = 2 / (1 - shown + ((1 - shown).square() + 4 * shown / white**2).sqrt())
    return light * scene


def _luminance(light: Tensor) -> Tensor:
    weights = torch.tensor([0.2126, 0.7152, 0.0722], device=light.device)[:, None, None]
    return (light * weights).sum(1, keepdim=True).clamp(min=0)


def srgb_to_linear(values: Tensor) -> Tensor:
    """Display values to light, differentiable everywhere, odd around 0."""
    size = values.abs()
    curve = ((size + 0.055) / 1.055) ** 2.4
    return torch.where(size <= 0.04045, size / 12.92, curve) * values.sign()


def linear_to_srgb(light: Tensor) -> Tensor:
    """Light to display values, differentiable everywhere, odd around 0."""
    size = light.abs()
    curve = 1.055 * size.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, 12.92 * size, curve) * light.sign()
