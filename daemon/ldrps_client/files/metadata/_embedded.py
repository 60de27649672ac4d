"""The XMP packet of a file, read from its structure without decoding a pixel."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ldrps_client._text import cause_and_remedy
from ldrps_client.files._formats import HEAD_BYTES, recognise
from ldrps_client.files._read import opened, without_waiting
from ldrps_engine.errors import PhotoError
from ldrps_wire.formats import Format

LARGEST_SIDECAR = 8 << 20
"""Largest sidecar in bytes; notes on one photo are never longer."""


def sidecar_for(path: Path) -> Path:
    """Return the path for XMP outside a file: `photo.jpg.xmp` next to `photo.jpg`."""
    return path.with_name(f"{path.name}.xmp")


def xmp_beside(path: Path) -> bytes:
    """Read the packet in the sidecar of a file; empty if there is none, or it is too large.

    PhotoError if it cannot be read.
    """
    sidecar = sidecar_for(path)
    try:
        # Not asked by Path, to which a name that is too long for a sidecar's is an error.
        if not os.path.isfile(sidecar) or os.path.getsize(sidecar) > LARGEST_SIDECAR:
            return b""
        with open(sidecar, "rb", opener=without_waiting) as file:
            return file.read(LARGEST_SIDECAR)
    except OSError as error:
        why = cause_and_remedy(error)
        raise PhotoError(f"{sidecar} cannot be read: {why}") from error


def embedded_xmp(path: Path) -> bytes:
    """Read the packet inside a photo file; empty if there is none or it cannot be read.

    PhotoError if the file cannot be opened or is of a format we do not accept.
    """
    with opened(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = recognise(str(path), file.read(HEAD_BYTES), path.suffix)
        file.seek(0)
        # Whatever a decoder makes of broken bytes, it has no packet for us.
        with suppress(Exception):
            is_tiff = kind in (Format.TIFF, Format.RAW)
            return _of_tiff(file) if is_tiff else _of_others(file, kind)
    return b""


def _of_tiff(file: BinaryIO) -> bytes:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        tag = tiff.pages.first.tags.get(700)
        return b"" if tag is None else bytes(tag.value)


def _of_others(file: BinaryIO, kind: Format) -> bytes:
    if kind is Format.PNG:
        from ldrps_client.files.codecs._png import xmp_of

        return xmp_of(file)
    from PIL import Image

    with Image.open(file, formats=[kind.value]) as image:
        xmp = image.info.get("xmp") or b""
        return xmp.encode() if isinstance(xmp, str) else bytes(xmp)
