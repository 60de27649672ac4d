"""Formats that need an optional library: HEIF (pillow-heif) and camera raw (rawpy)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO, cast

import numpy as np

from ldrps_client.files._read import Encoding, Parts
from ldrps_client.files.codecs._deep_avif import widened
from ldrps_client.files.colour._hdr import refuse_hdr
from ldrps_client.files.colour._stated import by_nclx
from ldrps_client.files.metadata._companions import DEPTH, GAIN_MAP, without_companions
from ldrps_client.files.metadata._exif import exif_of_tiff, resolution_of
from ldrps_client.files.metadata._metadata import Metadata, strip_prefix, upright_exif
from ldrps_engine.colour import srgb
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Photo, Samples, check_size
from ldrps_wire.formats import Format


def read_heif(file: BinaryIO, kind: Format) -> Parts:
    """Read a HEIF photo: upright, 8 bits, or 16 where it has more."""
    library = _library("pillow_heif", "heif", "a HEIF photo", "convert it to JPEG or PNG")
    image = library.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    check_size(*image.size)
    numbers = _nclx(image.info)
    if numbers:
        refuse_hdr(numbers[1])
    samples = widened(np.asarray(image), image.info["bit_depth"])
    stated = by_nclx(numbers, grey=samples.ndim == 2 or samples.shape[2] < 3)
    profile = bytes(image.info.get("icc_profile") or stated.profile)
    photo = Photo.from_samples(samples, profile)
    # The library has turned the pixels by the file's own rule, which the EXIF only repeats.
    exif, _ = upright_exif(strip_prefix(image.info.get("exif") or b""), image.size, turned=True)
    xmp, lost = without_companions(bytes(image.info.get("xmp") or b""))
    odd = (*([stated.odd] if stated.odd else []), *sorted({*lost, *_beside(image.info)}))
    return Parts(photo, Metadata(exif=exif, xmp=xmp, dpi=resolution_of(exif)), Encoding(), odd)


def _nclx(info: dict[str, Any]) -> tuple[int, int] | None:
    """Return primaries and transfer characteristics; None if a profile stands in their place."""
    numbers = info.get("nclx_profile") or {}
    if info.get("icc_profile") or not numbers:
        return None
    return int(numbers["color_primaries"]), int(numbers["transfer_characteristics"])


def _beside(info: dict[str, Any]) -> list[str]:
    """Name the companions of a HEIF photo that its result will not have."""
    lost = [GAIN_MAP] if any("hdrgainmap" in urn for urn in info.get("aux") or {}) else []
    return [*lost, *([DEPTH] if info.get("depth_images") else [])]


def read_raw(file: BinaryIO, kind: Format) -> Parts:
    """Develop a camera's raw file: upright, 16 bits, sRGB, the camera's white balance."""
    library = _library("rawpy", "raw", "a camera's raw file", "develop it to TIFF")
    try:
        with library.imread(file) as raw:
            check_size(raw.sizes.width, raw.sizes.height)
            samples = raw.postprocess(
                output_bps=16,
                use_camera_wb=True,
                no_auto_bright=True,
                gamma=(srgb.EXPONENT, srgb.SLOPE),
                output_color=library.ColorSpace.sRGB,
            )
    except library.LibRawFileUnsupportedError:
        raise PhotoError("it is a raw file of a camera we do not know; develop it first") from None
    photo = Photo.from_samples(cast(Samples, samples))
    exif, _ = upright_exif(exif_of_tiff(file), (photo.width, photo.height), turned=True)
    return Parts(photo, Metadata(exif=exif), Encoding())


def _library(module: str, extra: str, what: str, otherwise: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise PhotoError(
            f"it is {what}, which needs an optional part; "
            f"run pip install 'ldrps[{extra}]', or {otherwise}"
        ) from None
