"""JPEG, PNG, WebP and AVIF through Pillow, but for pixels of more than 8 bits a sample."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from ldrps_client.files._deep import is_deep, read_deep
from ldrps_client.files._exif import resolution_of
from ldrps_client.files._extension import with_extension
from ldrps_client.files._formats import Format
from ldrps_client.files._hdr import refuse_hdr, transfer_of
from ldrps_client.files._iptc import JPEG_RESOURCE, PNG_KEYWORD, raw_profile, unwrapped
from ldrps_client.files._metadata import (
    Metadata,
    sensible_dpi,
    strip_prefix,
    upright_exif,
    upright_xmp,
)
from ldrps_client.files._orientation import upright
from ldrps_client.files._png import texts_of
from ldrps_client.files._read import Encoding
from ldrps_engine.errors import LimitError, PhotoError
from ldrps_engine.photo import MAX_PIXELS, Photo, Samples, check_size

# Grey blocks of one bit each make 512, and twice that is no photo.
_MOST_PER_BYTE = 1024
_TAKEN = ("L", "LA", "RGB", "RGBA")
_REFUSED = {
    "P": "it has a palette of few colours; convert it to RGB",
    "PA": "it has a palette of few colours; convert it to RGB",
    "CMYK": "it is in CMYK, for printing; convert it to RGB",
    "YCCK": "it is in CMYK, for printing; convert it to RGB",
    "1": "it is black and white without greys; convert it to greyscale",
}

Parts = tuple[Photo, Metadata, Encoding]


def read_with_pillow(file: BinaryIO, kind: Format) -> Parts:
    """Pixels, metadata and encoding of an open file whose kind is known."""
    with _open(file, kind) as image:
        _check(image, file, kind)
        return _read(image, file, kind)


def _open(file: BinaryIO, kind: Format) -> Image.Image:
    try:
        return Image.open(file, formats=[kind.value])
    except Image.DecompressionBombError:
        raise LimitError(f"it has more than {MAX_PIXELS // 10**6} megapixels") from None


def _check(image: Image.Image, file: BinaryIO, kind: Format) -> None:
    # JPEGs with several pictures in them are phones' and cameras' photos with extras.
    if kind is not Format.JPEG and getattr(image, "n_frames", 1) > 1:
        raise PhotoError("it is animated; export one frame as PNG")
    check_size(*image.size)
    # Else a few bytes of JPEG are decoded to as many grey pixels as their header says.
    if kind is Format.JPEG and image.width * image.height > _MOST_PER_BYTE * _size(file):
        raise PhotoError("it is incomplete; copy it again from where it came from")
    # What a PNG states so goes before its profile, in an AVIF the profile goes first.
    if kind is Format.PNG or not image.info.get("icc_profile"):
        refuse_hdr(transfer_of(file, kind))


def _size(file: BinaryIO) -> int:
    where = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(where)
    return end


def _read(image: Image.Image, file: BinaryIO, kind: Format) -> Parts:
    deep = is_deep(file, kind)
    if not deep and image.mode not in _TAKEN:
        raise PhotoError(
            _REFUSED.get(image.mode, f"its pixels are {image.mode}; convert it to RGB")
        )
    encoding = _encoding(image, file, kind)
    samples: Samples = read_deep(file, kind) if deep else np.asarray(_with_alpha(image))
    # After the pixels, because PNG may keep its texts behind them.
    metadata, orientation = _metadata(image)
    profile = image.info.get("icc_profile") or b""
    photo = Photo.from_samples(upright(samples, orientation), profile)
    return photo, metadata, encoding


def _with_alpha(image: Image.Image) -> Image.Image:
    """One transparent colour, as PNG can have, becomes an alpha channel."""
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    image.load()
    return image


def _metadata(image: Image.Image) -> tuple[Metadata, int]:
    info = image.info
    texts = texts_of(getattr(image, "text", {}))
    legacy = raw_profile(info.get("Raw profile type exif", ""))
    exif, orientation = upright_exif(strip_prefix(info.get("exif") or legacy), image.size)
    xmp = info.get("xmp") or b""
    if isinstance(xmp, str):
        xmp = xmp.encode()
    xmp = with_extension(xmp, getattr(image, "applist", ()))
    if comment := info.get("comment"):
        texts["Comment"] = comment.decode("utf-8", "replace").rstrip("\0")
    metadata = Metadata(
        exif=exif,
        xmp=upright_xmp(xmp, orientation),
        iptc=_iptc(info),
        texts=texts,
        dpi=_dpi(info) or resolution_of(exif),
    )
    return metadata, orientation


def _iptc(info: dict[Any, Any]) -> bytes:
    resources = info.get("photoshop") or {}
    found = resources.get(JPEG_RESOURCE) if isinstance(resources, dict) else None
    return bytes(found or unwrapped(raw_profile(info.get(PNG_KEYWORD, ""))))


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return sensible_dpi(across, down)


def _encoding(image: Image.Image, file: BinaryIO, kind: Format) -> Encoding:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return Encoding(
            quantization={key: list(table) for key, table in image.quantization.items()},
            subsampling=max(0, JpegImagePlugin.get_sampling(image)),
            progressive=bool(image.info.get("progressive")),
        )
    return Encoding(lossless=kind is Format.WEBP and _is_lossless_webp(file))


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the picture's chunk is VP8L, within the first few kilobytes of chunk headers."""
    where = file.tell()
    file.seek(12)
    try:
        while len(head := file.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4] == b"VP8L"
            size = int.from_bytes(head[4:], "little")
            file.seek(size + size % 2, 1)
        return False
    finally:
        file.seek(where)
