"""Photos in the forms of Python: paths, bytes, open files, PIL images, arrays."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ldrps_client.files import LoadedFile, decode, decode_bytes
from ldrps_client.files._read import check_size
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Photo

if TYPE_CHECKING:
    from PIL.Image import Image

PhotoLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image"
    " | LoadedFile | Photo | NDArray[np.generic]"
)
"""A photo, in any of the forms that `take` accepts."""
_PIL_MODES = ("L", "LA", "RGB", "RGBA", "I;16")
_PIXELS_INSTEAD = "give its pixels as an array of uint16, or of floats from 0 to 1"
_WAYS_FROM_PIL = {
    # Pillow's convert() would cut off all but the darkest 256 of their values,
    **dict.fromkeys(("I", "F", "I;16B", "I;16L", "I;16N"), _PIXELS_INSTEAD),
    # and refuses this one.
    "LAB": "convert it to RGB with PIL.ImageCms",
}
# Tags of a TIFF's first directory, and of EXIF's, that do not say how its pixels are stored.
_DESCRIPTIVE = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 33432, 34665, 34853)
_CLEARLY_NOT_ONE = 2.0


def take(photo: Any) -> LoadedFile | Photo:
    """Read a photo from any of its forms; PhotoError says why not, and what to give instead."""
    if isinstance(photo, LoadedFile | Photo):
        return photo
    if isinstance(photo, str | os.PathLike):
        return decode(Path(photo))
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, bytes | bytearray | memoryview):
        return _from_bytes(bytes(photo))
    if _is_pil(photo):
        return _from_pil(photo)
    if callable(getattr(photo, "read", None)):
        return _from_file(photo)
    raise PhotoError(
        f"an object of type {type(photo).__name__} is no photo; give a path, the bytes of a photo "
        "file, a file opened with 'rb', a PIL image, or a numpy array"
    )


def _from_array(array: NDArray[np.generic]) -> Photo:
    # What most arithmetic ends in; more precision than any photo has.
    samples = array.astype(np.float32) if array.dtype == np.float64 else array
    if np.ma.isMaskedArray(samples):
        raise PhotoError("the array is masked, which a photo cannot be; give array.filled(...)")
    photo = Photo.from_samples(samples)
    if samples.dtype.kind == "f":
        _check_range(float(samples.min()), float(samples.max()))
    return photo


def _check_range(low: float, high: float) -> None:
    """Refuse floats whose range is not 0 for black to 1 for white."""
    if low >= 0 and high <= 1:
        return
    way = "clip them with numpy.clip(pixels, 0, 1)"
    if high > _CLEARLY_NOT_ONE:
        way = "divide them by what white is, such as 255, or give them as uint8 or uint16"
    raise PhotoError(
        f"the array's floats run from {low:g} to {high:g}, where 0 is black and 1 is white; {way}"
    )


def _from_bytes(data: bytes) -> LoadedFile:
    if not data:
        raise PhotoError("the bytes are empty; give those of a whole photo file")
    return decode_bytes(data, "the bytes")


def _from_file(file: BinaryIO) -> LoadedFile:
    given = getattr(file, "name", "")
    name = given if isinstance(given, str) and given else "the file object"
    try:
        with suppress(OSError, AttributeError):  # in memory, or a stream, which has no length
            check_size(Path(name), os.fstat(file.fileno()).st_size)
        data = file.read()
    except (OSError, ValueError) as error:  # closed, or not open for reading
        raise PhotoError(f"{name} cannot be read: {error}") from None
    if not isinstance(data, bytes):
        raise PhotoError(f"{name} gives {type(data).__name__}, not bytes; open it with 'rb'")
    if not data:
        raise PhotoError(f"{name} has nothing to read; go back to its start with seek(0)")
    return decode_bytes(data, name)


def _is_pil(photo: object) -> bool:
    # Whoever has such an image has imported the library; nobody else should have to.
    library = sys.modules.get("PIL.Image")
    return library is not None and isinstance(photo, library.Image)


def _from_pil(image: Image) -> LoadedFile:
    """Encode an image as the file it would be saved as, with profile, EXIF, XMP and resolution."""
    if image.mode not in _PIL_MODES:
        way = _WAYS_FROM_PIL.get(image.mode, "convert it with image.convert('RGB')")
        raise PhotoError(f"a PIL image of mode {image.mode} is not taken; {way}")
    from PIL.PngImagePlugin import PngInfo

    info, texts = image.info, PngInfo()
    if xmp := info.get("xmp"):
        words = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
        texts.add_itxt("XML:com.adobe.xmp", words)
    options = {name: info[name] for name in ("icc_profile", "dpi") if info.get(name)}
    buffer = io.BytesIO()
    try:
        # Turns a TIFF upright, and says so in its EXIF.
        image.load()
        exif = info.get("exif") or _described(image)
        image.save(buffer, "PNG", compress_level=0, exif=exif, pnginfo=texts, **options)
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"the PIL image cannot be read: {error}") from error
    return decode_bytes(buffer.getvalue(), getattr(image, "filename", "") or "the PIL image")


def _described(image: Image) -> bytes:
    """Return EXIF for an image that has none as bytes: a TIFF's, or put together by the caller."""
    # A copy: the image is the caller's.
    exif = type(image.getexif())()
    exif.load(image.getexif().tobytes())
    for tag in set(exif) - set(_DESCRIPTIVE):
        del exif[tag]
    return exif.tobytes() if len(exif) else b""
