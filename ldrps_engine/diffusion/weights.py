"""Weights of LD-RPS's two losses: L_g, which guides the sample, and L_f, which trains F-PAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Weights of the guidance loss L_g on the clean latent, and when it acts. Neutral: all 0."""

    scale: float = 0.0
    """s: step along the loss's gradient, for the mean squared error at 512x512."""
    perceptual: float = 0.0
    """a: VGG distance between F-PAM's image and the photo."""
    adversarial: float = 0.0
    """b: how little F-PAM's image looks like the photo to the discriminator."""
    exposure: float = 0.0
    """e: distance of local luminance from 0.5."""
    grey_world: float = 0.0
    """c: difference of the channel means."""
    tone_below: int = 0
    """Exposure and grey world act at timesteps below this one."""
    below: int = 1000
    """No guidance at or above this timestep: the prior lays out the scene alone."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Weights of L_f, and how F-PAM and its discriminator are trained online."""

    physical: bool
    """Behind the physical field (True) or the paper's convolutions alone."""
    content: float
    """w_mse: F-PAM's image stays near its input."""
    perceptual: float
    """w_per: the same in VGG features."""
    adversarial: float
    """w_adv: F-PAM's image looks like the photo to the discriminator."""
    fit: float = 0.0
    """F-PAM's image is near the photo (only safe for the physical field)."""
    rate: float = 5e-4
    """Adam's rate for F-PAM."""
    field_rate: float = 0.0
    """Adam's rate for the physical field."""
    discriminator_rate: float = 4e-5
    """Adam's rate for the discriminator."""
    side: int = 128
    """Long side of the images F-PAM is trained on, pixels; 0: the whole view."""

    @property
    def learns(self) -> bool:
        """Tell whether there is anything to train."""
        return bool(self.rate or self.field_rate)


LEARNING = Alignment(
    physical=True, content=0.0, perceptual=0.0, adversarial=0.02, fit=1.0, field_rate=0.01
)
"""F-PAM starts at what was measured of the photo, and goes where the sample's estimates lead."""
FIXED = Alignment(physical=True, content=0.0, perceptual=0.0, adversarial=0.0, rate=0.0)
"""F-PAM is what was measured of the photo, and stays so."""
