"""Small pictures of before and after, kept for the report."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from ldrps_client.files import to_srgb
from ldrps_engine.photo import Photo

KEPT = 400
"""Most files that are kept; two for a photo."""
_LONG_SIDE = 800
_QUALITY = 82


def picture_path(folder: Path, key: str, which: str) -> Path:
    """Return the path of a picture; `which` is `before` or `after`."""
    return folder / f"{key[:24]}-{which}.jpg"


def keep_pictures(folder: Path, key: str, before: Photo, after: Photo) -> None:
    """Write both pictures; the oldest make room. A failure is harmless: they are only for show."""
    with suppress(OSError):
        for which, photo in (("before", before), ("after", after)):
            picture_path(folder, key, which).write_bytes(small_jpeg(photo))
        _prune(folder)


def small_jpeg(photo: Photo) -> bytes:
    """Encode at most 800 pixels a side, sRGB."""
    from PIL import Image

    # Thinned out first: a photo of 100 megapixels need not be converted for a small picture.
    step = max(1, max(photo.width, photo.height) // (2 * _LONG_SIDE))
    pixels = np.ascontiguousarray(photo.pixels[::step, ::step])
    thin = Photo(pixels, photo.depth, None, photo.icc_profile)
    picture = Image.fromarray(np.rint(to_srgb(thin) * 255).astype(np.uint8))
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _prune(folder: Path) -> None:
    files = sorted(os.scandir(folder), key=lambda entry: entry.stat().st_mtime)
    for entry in files[:-KEPT]:
        os.unlink(entry.path)
