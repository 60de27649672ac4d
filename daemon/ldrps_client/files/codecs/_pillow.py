"""JPEG, WebP and AVIF through Pillow, except pixels of more than 8 bits a sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from ldrps_client.files._formats import DAMAGED
from ldrps_client.files._orientation import upright
from ldrps_client.files._read import Encoding, Parts
from ldrps_client.files.codecs import _coded_avif, _coded_webp
from ldrps_client.files.codecs._coded_jpeg import coded_picture
from ldrps_client.files.codecs._deep_avif import bits_of, read_deep_avif
from ldrps_client.files.codecs._jpeg import (
    LACKS_PASSES,
    check_kind,
    check_whole,
    comments_of,
    holds_pictures,
    lacks_passes,
)
from ldrps_client.files.colour._cmyk import cmyk_to_srgb
from ldrps_client.files.colour._hdr import refuse_hdr
from ldrps_client.files.colour._stated import Stated, by_exif, by_nclx, nclx_of
from ldrps_client.files.metadata._boxes import pictures, properties
from ldrps_client.files.metadata._companions import GAIN_MAP, PICTURES, VIDEO, without_companions
from ldrps_client.files.metadata._exif import directory_of, resolution_of
from ldrps_client.files.metadata._extended_xmp import with_extension
from ldrps_client.files.metadata._iptc import JPEG_RESOURCE
from ldrps_client.files.metadata._metadata import (
    Metadata,
    sensible_dpi,
    strip_prefix,
    upright_exif,
    upright_xmp,
)
from ldrps_engine.errors import LimitError, PhotoError
from ldrps_engine.photo import MAX_PIXELS, Photo, Samples, check_size
from ldrps_wire.formats import Format

# Grey blocks of one bit each make 512, and twice that is no photo.
_MOST_PER_BYTE = 1024
_TAKEN = ("L", "LA", "RGB", "RGBA", "CMYK")
_SAMSUNGS_VIDEO = b"MotionPhoto_Data"
_PROFILE_SEGMENT = b"ICC_PROFILE\0"
_PROFILE_LACKS = "its colour profile is incomplete, so the photo is taken for sRGB"
_GAIN_MAP_SEGMENT = b"urn:iso:std:iso:ts:21496:-1"


def read_jpeg(file: BinaryIO, kind: Format) -> Parts:
    """Read pixels, metadata and encoding of an open JPEG."""
    check_kind(file)
    with open_image(file, Format.JPEG) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        check_size(*image.size)
        data = _all(file)
        # Else a few bytes are decoded to as many grey pixels as their header says.
        pixels = image.width * image.height
        if pixels > _MOST_PER_BYTE * len(data):
            raise PhotoError(DAMAGED)
        check_whole(data)
        encoding = _as_jpeg(image)
        samples, profile, odd = _samples(image)
        metadata, orientation, lost = _metadata(image)
    stated = Stated() if profile else by_exif(directory_of(metadata.exif), grey=_is_grey(samples))
    odd = (*odd, *_odd_of(image, data))
    as_it_is = orientation == 1 and image.mode in ("L", "RGB")
    coded = coded_picture(data) if as_it_is else b""
    is_readable = pixels <= _MOST_PER_BYTE * len(coded)
    encoding = replace(encoding, stated=stated.profile, coded=coded if is_readable else b"")
    photo = Photo.from_samples(upright(samples, orientation), profile or stated.profile)
    return Parts(photo, metadata, encoding, (*odd, *_lost_beside(image, data, lost)))


def _odd_of(image: Any, data: bytes) -> list[str]:
    """List parts of the photo itself that are missing, though a decoder does not mind."""
    odd = [LACKS_PASSES] if lacks_passes(data) else []
    parts = any(segment.startswith(_PROFILE_SEGMENT) for _, segment in image.applist)
    # A truncated profile counts as none.
    if parts and not image.info.get("icc_profile"):
        odd.append(_PROFILE_LACKS)
    return odd


def _lost_beside(image: Any, data: bytes, said: tuple[str, ...]) -> list[str]:
    """List companions that are not carried over, named in XMP or only found in the file."""
    lost = set(said)
    if _SAMSUNGS_VIDEO in data:
        lost.add(VIDEO)
    if any(segment.startswith(_GAIN_MAP_SEGMENT) for _, segment in image.applist):
        lost.add(GAIN_MAP)
    if not lost and holds_pictures(image.info.get("mp")):
        lost.add(PICTURES)
    return sorted(lost)


def read_webp(file: BinaryIO, kind: Format) -> Parts:
    """Read pixels, metadata and encoding of an open WebP."""
    with open_image(file, Format.WEBP) as image:
        check_still(image)
        samples, profile, odd = _samples(image)
        metadata, orientation, lost = _metadata(image)
    coded = _coded_webp.coded_picture(_all(file)) if orientation == 1 else b""
    encoding = Encoding(lossless=_is_lossless_webp(file), coded=coded)
    photo = Photo.from_samples(upright(samples, orientation), profile)
    return Parts(photo, metadata, encoding, (*odd, *lost))


def read_avif(file: BinaryIO, kind: Format) -> Parts:
    """Read pixels, metadata and encoding of an open AVIF."""
    found = properties(file)
    numbers = nclx_of(found)
    with open_image(file, Format.AVIF) as image:
        check_still(image)
        # Where there is a profile, the numbers are for those who do not read it.
        if not image.info.get("icc_profile"):
            refuse_hdr(numbers[1] if numbers else None)
        bits = bits_of(dict(found))
        samples, profile, odd = _samples(image)
        metadata, orientation, lost = _metadata(image)
    if bits > 8:
        samples = read_deep_avif(_all(file), bits)
    stated = by_nclx(None if profile else numbers, grey=_is_grey(samples))
    photo = Photo.from_samples(upright(samples, orientation), profile or stated.profile)
    gain_map = (GAIN_MAP,) if b"tmap" in pictures(file) else ()
    odd = (*odd, *([stated.odd] if stated.odd else []), *sorted({*lost, *gain_map}))
    data = b"" if orientation != 1 or gain_map else _all(file)
    coded = data if data and _coded_avif.can_be_kept(data) else b""
    return Parts(photo, metadata, Encoding(nclx=numbers, stated=stated.profile, coded=coded), odd)


def open_image(file: BinaryIO, kind: Format) -> Image.Image:
    """Open a file of a known format with Pillow."""
    file.seek(0)
    try:
        return Image.open(file, formats=[kind.value])
    except Image.DecompressionBombError:
        raise LimitError(f"it has more than {MAX_PIXELS // 10**6} megapixels") from None


def check_still(image: Image.Image) -> None:
    """Refuse animations, and sizes that are not accepted."""
    if getattr(image, "n_frames", 1) > 1:
        raise PhotoError("it is animated; export one frame as PNG")
    check_size(*image.size)


def _all(file: BinaryIO) -> bytes:
    where = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(where)
    return data


def _is_grey(samples: Samples) -> bool:
    return samples.ndim == 2 or samples.shape[2] < 3


def _samples(image: Image.Image) -> tuple[Samples, bytes, tuple[str, ...]]:
    """Return (samples, their profile, warnings)."""
    if image.mode not in _TAKEN:
        raise PhotoError(f"its pixels are {image.mode}; convert it to RGB")
    image.load()
    profile = bytes(image.info.get("icc_profile") or b"")
    samples: Samples = np.asarray(image)
    if image.mode == "CMYK":
        samples, words = cmyk_to_srgb(samples, profile)
        return samples, b"", (words,)
    return samples, profile, ()


def _metadata(image: Image.Image) -> tuple[Metadata, int, tuple[str, ...]]:
    """Return (metadata, the original orientation, warnings about what is not carried over)."""
    info = image.info
    exif, orientation = upright_exif(strip_prefix(info.get("exif") or b""), image.size)
    segments = getattr(image, "applist", ())
    xmp = info.get("xmp") or b""
    xmp = with_extension(xmp.encode() if isinstance(xmp, str) else bytes(xmp), segments)
    xmp, lost = without_companions(xmp)
    metadata = Metadata(
        exif=exif,
        xmp=upright_xmp(xmp, orientation),
        iptc=_iptc(info),
        comments=comments_of(segments),
        dpi=_dpi(info) or resolution_of(exif),
    )
    return metadata, orientation, lost


def _iptc(info: dict[Any, Any]) -> bytes:
    resources = info.get("photoshop") or {}
    return bytes(resources.get(JPEG_RESOURCE) or b"") if isinstance(resources, dict) else b""


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return sensible_dpi(across, down)


def _as_jpeg(image: JpegImagePlugin.JpegImageFile) -> Encoding:
    return Encoding(
        quantization={key: list(table) for key, table in image.quantization.items()},
        subsampling=max(0, JpegImagePlugin.get_sampling(image)),
        progressive=bool(image.info.get("progressive")),
    )


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Tell whether the picture's chunk is VP8L, within the first few kilobytes of chunk headers."""
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
