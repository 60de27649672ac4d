"""From a photo's own colour space to sRGB, for looking at and for measuring."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.photo import Photo


def to_srgb(photo: Photo) -> NDArray[np.float32]:
    """(H, W, 3) display-encoded sRGB, 0 to 1; alpha left out.

    Exact for photos without a profile; through 8 bits where a profile has to be applied.
    """
    pixels = np.clip(photo.pixels, 0.0, 1.0)
    if photo.icc_profile:
        converted = _converted(pixels, photo.icc_profile)
        if converted is not None:
            return converted
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _converted(pixels: NDArray[np.float32], profile: bytes) -> NDArray[np.float32] | None:
    from PIL import Image, ImageCms

    eight = np.rint(pixels * 255).astype(np.uint8)
    picture = Image.fromarray(eight[..., 0] if eight.shape[2] == 1 else eight)
    try:
        srgb = ImageCms.profileToProfile(
            picture, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        # A broken profile, or one for other channels: read as sRGB, as viewers do.
        return None
    return None if srgb is None else np.asarray(srgb, dtype=np.float32) / np.float32(255)
