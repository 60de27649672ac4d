"""TIFF with 8 or 16 bits or floats, classic and big, through tifffile; exact by test."""

from __future__ import annotations

import io
import logging
import struct
from typing import Any, BinaryIO

import tifffile

from ldrps_client.files._formats import DAMAGED
from ldrps_client.files._orientation import upright
from ldrps_client.files._read import Encoding, Parts
from ldrps_client.files.codecs._jpeg import check_whole
from ldrps_client.files.colour._alpha import associated
from ldrps_client.files.colour._tiff_colours import extra_of, samples_of
from ldrps_client.files.metadata._companions import without_companions
from ldrps_client.files.metadata._exif import add_to_tiff, byte_order, exif_of_tiff, resolution_of
from ldrps_client.files.metadata._metadata import Metadata, upright_exif, upright_xmp
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Depth, Photo, Samples, check_size, check_white
from ldrps_wire.formats import Format

# Its complaints about broken tags go to those who set up logging, and not past them to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_REDUCED_OR_MASK = 1 | 4  # NewSubfileType, TIFF 6.0 page 36
_REFUSED = {
    "CFA": "it is a camera's raw file; develop it first and give the result",
    "LINEAR_RAW": "it is a camera's raw file; develop it first and give the result",
}
# Number of colour channels of each photometric interpretation that is accepted.
_CHANNELS = {
    **dict.fromkeys(("MINISWHITE", "MINISBLACK", "PALETTE"), 1),
    **dict.fromkeys(("RGB", "YCBCR"), 3),
    "SEPARATED": 4,
}
_COMPRESSIONS = {"NONE": "none", "LZW": "lzw", "ZSTD": "zstd"}
_JPEG, _OLD_JPEG = 7, 6
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHAS = {0: "unspecified", _ASSOCIATED: "assocalpha", _UNASSOCIATED: "unassalpha"}
_IPTC, _XMP = 33723, 700
_BYTE, _UNDEFINED = 1, 7
_DEPTHS_TAKEN = {depth.value for depth in Depth}


def read_tiff(file: BinaryIO, kind: Format) -> Parts:
    """Read pixels, metadata and encoding of an open TIFF."""
    with tifffile.TiffFile(file) as tiff:
        page, first = _page(tiff), tiff.pages[0]
        _check_layout(page)
        _check_complete(page, tiff.filehandle)
        colours = samples_of(page, file)
        size = page.imagewidth, page.imagelength
        exif, orientation = upright_exif(exif_of_tiff(file, page.offset), size)
        photo = Photo.from_samples(upright(colours.samples, orientation), colours.profile)
        check_white(photo)
        xmp, lost = without_companions(_bytes(page, _XMP) or _bytes(first, _XMP))
        metadata = Metadata(
            exif=exif,
            xmp=upright_xmp(xmp, orientation),
            iptc=_bytes(page, _IPTC) or _bytes(first, _IPTC),
            dpi=resolution_of(exif),
        )
        return Parts(photo, metadata, _encoding(page), (*colours.odd, *lost))


def _bytes(page: Any, tag: int) -> bytes:
    """Return a tag's bytes, which some programs store as longs."""
    found = page.tags.get(tag)
    value = b"" if found is None else found.value
    if isinstance(value, tuple):
        order = page.parent.byteorder
        return struct.pack(f"{order}{len(value)}I", *value)
    return bytes(value)


def _page(tiff: Any) -> Any:
    """Find the photo itself, among thumbnails and masks that are flagged as such."""
    first = tiff.pages[0]
    if len(tiff.pages) == 1 and not first.subfiletype & _REDUCED_OR_MASK:
        return first
    whole = _whole(tiff.pages)
    # As TIFF/EP has it: a thumbnail, with the photo in a directory below.
    whole = whole or [page for above in tiff.pages for page in _whole(above.pages or ())]
    if len(whole) > 1:
        raise PhotoError(f"it has {len(whole)} pages; save the one to restore by itself")
    return whole[0] if whole else first


def _whole(pages: Any) -> list[Any]:
    return [page for page in pages if not page.subfiletype & _REDUCED_OR_MASK]


def _check_layout(page: Any) -> None:
    check_size(page.imagewidth, page.imagelength)
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if photometric not in _CHANNELS:
        raise PhotoError(_REFUSED.get(photometric, f"its pixels are {photometric}; use RGB"))
    if page.compression == _OLD_JPEG:
        raise PhotoError("it is compressed as JPEG in a way of before 1995; save it as PNG or TIFF")
    if photometric != "PALETTE":
        _check_depth(page, photometric)
    channels = _CHANNELS[photometric]
    if page.imagedepth != 1 or page.samplesperpixel - channels not in (0, 1):
        raise PhotoError(f"it has {page.samplesperpixel} channels; save it as grey or RGB")


def _check_depth(page: Any, photometric: str) -> None:
    dtype = "none" if page.dtype is None else page.dtype.name
    whole = (8, 16) if photometric in ("YCBCR", "SEPARATED") else (8, 16, 32)
    if dtype not in _DEPTHS_TAKEN or page.bitspersample not in whole:
        raise PhotoError(
            f"it has {page.bitspersample}-bit {dtype} samples; "
            "save it with 8 or 16 bits, or 16- or 32-bit floats"
        )


def _check_complete(page: Any, file: Any) -> None:
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    ends = [start + count for start, count in parts]
    # A part of no bytes would be read as black.
    if not ends or max(ends) > file.size or not all(count for _, count in parts):
        raise PhotoError(DAMAGED)
    if page.compression == _JPEG:
        tables = page.jpegtables or b""
        for start, count in parts:
            file.seek(start)
            check_whole(_joined(tables, file.read(count)))


def _joined(tables: bytes, part: bytes) -> bytes:
    """Join shared tables and one strip or tile to a JPEG of its own."""
    return tables[:-2] + part[2:] if tables else part


def _encoding(page: Any) -> Encoding:
    compression = _COMPRESSIONS.get(getattr(page.compression, "name", ""), "zlib")
    return Encoding(compression=compression, alpha=_ALPHAS.get(extra_of(page), "unspecified"))


def tiff_bytes(photo: Photo, samples: Samples, metadata: Metadata, encoding: Encoding) -> bytes:
    """Encode samples as a TIFF with profile, XMP and EXIF."""
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
