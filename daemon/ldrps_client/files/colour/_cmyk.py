"""CMYK, in which photos are sent to printers, to sRGB: by its profile, else by plain arithmetic."""

from __future__ import annotations

import numpy as np

from ldrps_engine.photo import Depth, Samples

_ROWS = 256
_RELATIVE, _BLACK_POINT = 1, 0x2000  # littleCMS's numbers

BY_PROFILE = "it is in CMYK, for printing; it was converted to sRGB by its profile"
BY_ARITHMETIC = (
    "it is in CMYK, for printing, without a profile that can be used; "
    "it was converted to sRGB, and colours may be off"
)


def cmyk_to_srgb(samples: Samples, profile: bytes) -> tuple[Samples, str]:
    """Convert CMYK to ((H, W, 3 or 4) sRGB samples of the same depth, a sentence about how).

    `samples` are (H, W, 4 or 5) unsigned integers, 0 being no ink; a fifth channel is alpha.
    """
    inks = np.ascontiguousarray(samples[..., :4])
    by_profile = profile[16:20] == b"CMYK"
    rgb = _by_profile(inks, profile) if by_profile else None
    words = BY_PROFILE
    if rgb is None:
        rgb, words = _by_arithmetic(inks), BY_ARITHMETIC
    return np.concatenate([rgb, samples[..., 4:]], axis=-1), words


def _by_profile(inks: Samples, profile: bytes) -> Samples | None:
    """Convert by the profile; None if littleCMS cannot use it."""
    import imagecodecs

    result: Samples = np.empty((*inks.shape[:2], 3), inks.dtype)
    try:
        for top in range(0, inks.shape[0], _ROWS):
            result[top : top + _ROWS] = imagecodecs.cms_transform(
                inks[top : top + _ROWS],
                profile,
                imagecodecs.cms_profile("srgb"),
                colorspace="cmyk",
                outcolorspace="rgb",
                outdtype=inks.dtype,
                intent=_RELATIVE,
                flags=_BLACK_POINT,
            )
    except (imagecodecs.CmsError, ValueError, TypeError):
        return None
    return result


def _by_arithmetic(inks: Samples) -> Samples:
    """Convert by arithmetic: each ink takes its part of the light, black its part of the rest."""
    result: Samples = np.empty((*inks.shape[:2], 3), inks.dtype)
    peak = Depth(inks.dtype.name).peak
    for top in range(0, inks.shape[0], _ROWS):
        left = 1 - inks[top : top + _ROWS].astype(np.float64) / peak
        result[top : top + _ROWS] = np.rint(left[..., :3] * left[..., 3:] * peak)
    return result
