"""TIFF with 8 or 16 bits or floats, classic and big, through tifffile; exact by test."""

from __future__ import annotations

import io
import logging
import struct
from typing import Any, BinaryIO, cast

import numpy as np
import tifffile

from ldrps_client.files._alpha import associated, straight
from ldrps_client.files._exif import add_to_tiff, byte_order, exif_of_tiff, resolution_of
from ldrps_client.files._formats import Format
from ldrps_client.files._metadata import Metadata, upright_exif, upright_xmp
from ldrps_client.files._orientation import upright
from ldrps_client.files._read import Encoding
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Depth, Photo, Samples, check_size

# Its complaints about broken tags go to those who set up logging, and not past them to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_REDUCED_OR_MASK = 1 | 4  # NewSubfileType, TIFF 6.0 page 36
_REFUSED = {
    "PALETTE": "it has a palette of few colours; convert it to RGB",
    "SEPARATED": "it is in CMYK, for printing; convert it to RGB",
    "CFA": "it is a camera's raw file; develop it first and give the result",
    "LINEAR_RAW": "it is a camera's raw file; develop it first and give the result",
}
_TAKEN = ("MINISWHITE", "MINISBLACK", "RGB", "YCBCR")
_COMPRESSIONS = {"NONE": "none", "LZW": "lzw", "ZSTD": "zstd"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHAS = {0: "unspecified", _ASSOCIATED: "assocalpha", _UNASSOCIATED: "unassalpha"}
_IPTC = 33723
_BYTE, _UNDEFINED = 1, 7


def read_tiff(file: BinaryIO, kind: Format) -> tuple[Photo, Metadata, Encoding]:
    """Pixels, metadata and encoding of an open TIFF."""
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        _check_pages(tiff)
        _check_layout(page)
        _check_complete(page, tiff.filehandle.size)
        samples = _samples(page)
        size = page.imagewidth, page.imagelength
        exif, orientation = upright_exif(exif_of_tiff(file), size)
        photo = Photo.from_samples(upright(samples, orientation), bytes(page.iccprofile or b""))
        metadata = Metadata(
            exif=exif,
            xmp=upright_xmp(_bytes(page, 700), orientation),
            iptc=_bytes(page, _IPTC),
            dpi=resolution_of(exif),
        )
        return photo, metadata, _encoding(page)


def _bytes(page: Any, tag: int) -> bytes:
    """A tag's bytes, which some programs store as longs."""
    value = _value(page, tag, b"")
    if isinstance(value, tuple):
        order = page.parent.byteorder
        return struct.pack(f"{order}{len(value)}I", *value)
    return bytes(value)


def _value(page: Any, tag: int, default: Any) -> Any:
    found = page.tags.get(tag)
    return default if found is None else found.value


def _check_pages(tiff: Any) -> None:
    if len(tiff.pages) == 1:
        return
    further = sum(not page.subfiletype & _REDUCED_OR_MASK for page in tiff.pages[1:])
    if further:
        raise PhotoError(f"it has {further + 1} pages; save the one to restore by itself")


def _check_layout(page: Any) -> None:
    check_size(page.imagewidth, page.imagelength)
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if photometric not in _TAKEN:
        raise PhotoError(_REFUSED.get(photometric, f"its pixels are {photometric}; use RGB"))
    dtype = "none" if page.dtype is None else page.dtype.name
    if dtype not in {depth.value for depth in Depth} or page.bitspersample not in (8, 16, 32):
        raise PhotoError(
            f"it has {page.bitspersample}-bit {dtype} samples; "
            "save it with 8 or 16 bits, or 16- or 32-bit floats"
        )
    colours = 1 if photometric.startswith("MINIS") else 3
    if page.imagedepth != 1 or page.samplesperpixel - colours not in (0, 1):
        raise PhotoError(f"it has {page.samplesperpixel} channels; save it as grey or RGB")


def _check_complete(page: Any, size: int) -> None:
    ends = [
        start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    if not ends or max(ends) > size:
        raise PhotoError("it is incomplete; copy it again from where it came from")


def _samples(page: Any) -> Samples:
    samples: Any = page.asarray()
    if samples.ndim == 3 and page.planarconfig == 2:
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim == 2:
        samples = samples[..., None]
    if page.photometric.name == "MINISWHITE":
        peak = next(depth.peak for depth in Depth if depth.value == samples.dtype.name)
        samples = np.concatenate([peak - samples[..., :1], samples[..., 1:]], axis=-1)
        samples = samples.astype(page.dtype)
    if _extra(page) == _ASSOCIATED:
        samples = straight(samples, Depth(samples.dtype.name))
    return cast(Samples, samples)


def _extra(page: Any) -> int:
    """What the channel behind the colours means."""
    return int(page.extrasamples[0]) if page.extrasamples else _UNASSOCIATED


def _encoding(page: Any) -> Encoding:
    compression = _COMPRESSIONS.get(getattr(page.compression, "name", ""), "zlib")
    return Encoding(compression=compression, alpha=_ALPHAS.get(_extra(page), "unspecified"))


def tiff_bytes(photo: Photo, samples: Samples, metadata: Metadata, encoding: Encoding) -> bytes:
    """A TIFF of the samples with profile, XMP and EXIF."""
    buffer = io.BytesIO()
    blocks = ((700, _BYTE, metadata.xmp), (_IPTC, _UNDEFINED, metadata.iptc))
    if photo.alpha is not None and encoding.alpha == _ALPHAS[_ASSOCIATED]:
        samples = associated(samples, photo.depth)
    squeezed = samples[..., 0] if samples.shape[2] == 1 else samples
    compression = None if encoding.compression == "none" else encoding.compression
    tifffile.imwrite(
        buffer,
        squeezed,
        byteorder=byte_order(metadata.exif),
        photometric="minisblack" if photo.is_grey else "rgb",
        planarconfig=None if samples.shape[2] == 1 else "contig",
        extrasamples=None if photo.alpha is None else [encoding.alpha],
        compression=compression,
        predictor=compression is not None and photo.depth is not Depth.F16,
        iccprofile=photo.icc_profile or None,
        resolution=metadata.dpi,
        resolutionunit=2 if metadata.dpi else None,
        metadata=None,
        software=False,
        extratags=[(tag, kind, len(data), data, True) for tag, kind, data in blocks if data],
    )
    add_to_tiff(buffer, metadata.exif)
    return buffer.getvalue()
