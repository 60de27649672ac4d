"""Figures that others report on these sets. Nothing here is measured by this command."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class Published:
    """One row; None where no figure is known."""

    set: str
    method: str
    psnr: float
    ssim: float | None
    lpips: float | None
    _: KW_ONLY
    origin: str = "published"
    """`published` in a paper, or `authors` for released results or weights measured elsewhere."""


PUBLISHED = (
    Published("lol", "LD-RPS", 17.45, 0.804, 0.277),
    Published("lol", "TAO", 15.84, None, None),
    Published("lol", "TAO, released results", 17.10, 0.804, None, origin="authors"),
    Published("lol", "GDP", 16.52, 0.690, None),
    Published("lol", "ZDCE++", 14.38, 0.523, None),
    Published("lol", "PairLIE, gamma tuned for LOL", 20.05, 0.859, None, origin="authors"),
    Published("lol", "PairLIE, default", 18.90, 0.865, None, origin="authors"),
    Published("lol", "Zero-DCE", 15.33, 0.763, None, origin="authors"),
    Published("lol", "SCI", 14.93, 0.707, None, origin="authors"),
    Published("hsts", "LD-RPS", 21.45, 0.813, 0.177),
    Published("hsts", "TAO", 18.38, None, None),
    Published("hsts", "TAO, released results", 22.33, 0.877, None, origin="authors"),
    Published("hsts", "GDP", 13.15, 0.757, None),
    Published("hsts", "AOD-Net", 19.15, 0.860, None),
    Published("hsts", "AOD-Net", 19.20, 0.865, None, origin="authors"),
    Published("kodak24", "LD-RPS", 28.64, 0.841, 0.175),
    Published("kodak24", "TAO", 27.72, None, None),
    Published("kodak24", "TAO, released results", 28.49, 0.830, None, origin="authors"),
    Published("kodak24", "Prompt-SID", 30.58, 0.866, None),
    Published("kodak24", "Blind2Unblind", 29.35, 0.836, None),
)
