"""Pictures for the browser: every pixel of the photo in sRGB, and a small one for the list."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldrps_client.files import to_srgb
from ldrps_client.hotfolder.report._thumbnails import small_jpeg
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_engine.photo import Photo

_ROWS = 512
# Grey that shows through where a photo is transparent.
_GROUND = 0.5
_QUALITY = 95
_PREVIEW_QUALITY = 85


def write_view(path: Path, photo: Photo) -> None:
    """Write the whole photo at its own size, with noise and edges as they are."""
    write_private(path, _jpeg(_screen_pixels(photo), _QUALITY))


def write_small(path: Path, photo: Photo) -> None:
    """Write a picture of at most 800 pixels a side."""
    write_private(path, small_jpeg(photo))


def write_preview(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write the picture of the current estimate, as the daemon sent it."""
    write_private(path, _jpeg(pixels, _PREVIEW_QUALITY))


def write_private(path: Path, data: bytes) -> None:
    """Write a file that this user alone can read, whole or not at all."""
    # What a crash takes with it is of no use to the next start.
    write_atomically(path, data, lasting=False, mode=0o600)


def _screen_pixels(photo: Photo) -> NDArray[np.uint8]:
    """Convert rows by rows, because floats of a whole photo take four times its memory."""
    out = np.empty((photo.height, photo.width, 3), np.uint8)
    for top in range(0, photo.height, _ROWS):
        part = photo.part((slice(top, top + _ROWS), slice(None)))
        pixels = to_srgb(part)
        if part.alpha is not None:
            share = (part.alpha.astype(np.float32) / photo.depth.peak)[..., None]
            pixels = pixels * share + _GROUND * (1 - share)
        out[top : top + _ROWS] = np.rint(pixels * 255)
    return out


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
