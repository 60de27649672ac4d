"""Figures that others report on these sets. Nothing here is measured by this command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row; None where no figure is known."""

    set: str
    method: str
    psnr: float
    ssim: float | None
    lpips: float | None
    origin: str
    """`published` in a paper, or `authors` for released results or weights measured elsewhere."""


PUBLISHED = (
    Published("lol", "LD-RPS", 17.45, 0.804, 0.277, "published"),
    Published("lol", "TAO", 15.84, None, None, "published"),
    Published("lol", "TAO, released results", 17.10, 0.804, None, "authors"),
    Published("lol", "GDP", 16.52, 0.690, None, "published"),
    Published("lol", "ZDCE++", 14.38, 0.523, None, "published"),
    Published("lol", "PairLIE, gamma tuned for LOL", 20.05, 0.859, None, "authors"),
    Published("lol", "PairLIE, default", 18.90, 0.865, None, "authors"),
    Published("lol", "Zero-DCE", 15.33, 0.763, None, "authors"),
    Published("lol", "SCI", 14.93, 0.707, None, "authors"),
    Published("hsts", "LD-RPS", 21.45, 0.813, 0.177, "published"),
    Published("hsts", "TAO", 18.38, None, None, "published"),
    Published("hsts", "TAO, released results", 22.33, 0.877, None, "authors"),
    Published("hsts", "GDP", 13.15, 0.757, None, "published"),
    Published("hsts", "AOD-Net", 19.15, 0.860, None, "published"),
    Published("hsts", "AOD-Net", 19.20, 0.865, None, "authors"),
    Published("kodak24", "LD-RPS", 28.64, 0.841, 0.175, "published"),
    Published("kodak24", "TAO", 27.72, None, None, "published"),
    Published("kodak24", "TAO, released results", 28.49, 0.830, None, "authors"),
    Published("kodak24", "Prompt-SID", 30.58, 0.866, None, "published"),
    Published("kodak24", "Blind2Unblind", 29.35, 0.836, None, "published"),
)
