"""The picture of before and after, side by side."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ldrps_client.files._formats import format_for
from ldrps_client.files._write import write_bytes
from ldrps_engine.errors import OutputError
from ldrps_engine.photo import Photo
from ldrps_wire.formats import Format

if TYPE_CHECKING:
    from PIL import Image

_GAP = 8
_LONGEST = 1600


def write_comparison(path: Path, before: Photo, after: Photo, *, force: bool = False) -> None:
    """Write both photos side by side, at screen size, in the format of the name's ending."""
    kind = format_for(path)
    if kind not in (Format.JPEG, Format.PNG, Format.WEBP):
        raise OutputError(f"{path}: a before/after picture is written as .jpg, .png or .webp")
    buffer = io.BytesIO()
    _side_by_side(before, after).save(buffer, kind.value, quality=92)
    write_bytes(path, buffer.getvalue(), force=force)


def _side_by_side(before: Photo, after: Photo) -> Image.Image:
    from PIL import Image

    left, right = _picture(before), _picture(after)
    right = right.resize(left.size) if right.size != left.size else right
    sheet = Image.new("RGB", (left.width * 2 + _GAP, left.height), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + _GAP, 0))
    return sheet


def _picture(photo: Photo) -> Image.Image:
    from PIL import Image

    from ldrps_client.files.colour._to_srgb import to_srgb

    picture = Image.fromarray(np.rint(to_srgb(photo) * 255).astype(np.uint8))
    picture.thumbnail((_LONGEST, _LONGEST))
    return picture
