"""Writing a photo file: whole or not at all, and never over an existing one."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from ldrps_client._text import cause_and_remedy
from ldrps_client.files._folders import check_folder, is_same
from ldrps_client.files._formats import format_for
from ldrps_client.files._names import check_name, part_path
from ldrps_client.files._read import Encoding, LoadedFile
from ldrps_client.files.codecs import _coded_avif, _coded_webp
from ldrps_client.files.codecs._coded_jpeg import with_metadata_of
from ldrps_client.files.codecs._jpeg import comment_segments
from ldrps_client.files.metadata._comments import as_comments, as_texts, is_comment, texts_into_xmp
from ldrps_client.files.metadata._embedded import sidecar_for
from ldrps_client.files.metadata._exif import with_resolution, within
from ldrps_client.files.metadata._iptc import into_xmp, jpeg_segment
from ldrps_client.files.metadata._metadata import Metadata, with_prefix
from ldrps_client.files.metadata._packet import with_kind
from ldrps_engine.colour.colour_space import colour_space, to_srgb
from ldrps_engine.errors import OutputError
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_engine.photo import Depth, Photo, Samples
from ldrps_wire.formats import Format

_EXIF_LIMIT = 65_533  # of one JPEG segment
_JPEG_XMP_LIMIT = _EXIF_LIMIT - len(b"http://ns.adobe.com/xap/1.0/\0")
_NCLX = b"colrnclx"
_WITHOUT_GREY = (Format.WEBP, Format.AVIF)
_MEDIA_TYPES = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.TIFF: "image/tiff",
    Format.WEBP: "image/webp",
    Format.AVIF: "image/avif",
}
_DEPTHS: dict[Format, tuple[Depth, ...]] = {
    Format.TIFF: tuple(Depth),
    Format.PNG: (Depth.U8, Depth.U16),
}


class TakenError(OutputError):
    """A file is there already, at the path `taken`; the message is for callers of the library."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already; choose another name or give force=True")
        self.taken = path


def check_target(
    path: Path, *, force: bool = False, source: Path | None = None, photo: Photo | None = None
) -> None:
    """Refuse, before any work is done, a file that could not be written in the end.

    `source` must not be overwritten; `photo` must fit into that kind of file.
    """
    kind = format_for(path)
    if photo is not None:
        size, transparent = (photo.width, photo.height), photo.alpha is not None
        if objection := kind.objection(size, transparent=transparent):
            raise OutputError(f"{path}: {objection}")
    _check_place(path, force=force, source=source)
    check_name(path)
    check_folder(path.parent)


def _check_place(path: Path, *, force: bool, source: Path | None = None) -> None:
    if source is not None and is_same(path, source):
        raise OutputError(f"{path} is the original, which is never written to; choose another name")
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder; give a file name")
    if os.path.lexists(path) and not force:
        raise TakenError(path)
    if not os.path.isdir(path.parent):
        raise OutputError(f"{path.parent} is not a folder; create it first")


def encode(
    path: str | os.PathLike[str],
    photo: Photo,
    *,
    like: LoadedFile | None = None,
    metadata: Metadata | None = None,
    force: bool = False,
    finish: Callable[[bytes, Format], bytes] | None = None,
) -> None:
    """Write a photo as its file's name says, with the metadata and compression of `like`.

    `metadata` takes the place of that of `like`; `finish` has the last word on the bytes. XMP
    that the format cannot hold goes into a sidecar, and depths that it cannot hold are
    reduced to the deepest that it can.
    OutputError if the file exists and `force` is not given, or cannot be written.
    """
    where = Path(path)
    check_target(
        where, force=force, source=like.path if like and like.on_disk else None, photo=photo
    )
    kind = format_for(where)
    carried = fitting_metadata(kind, metadata or (like.metadata if like else Metadata()))
    outside = b"" if holds_xmp(kind, len(carried.xmp)) else carried.xmp
    inside = replace(carried, xmp=b"") if outside else carried
    data = _encoded(str(where), kind, photo, inside, like)
    if finish is not None:
        data = finish(data, kind)
    _write_both(where, data, outside, force=force)


def file_bytes(
    kind: Format, photo: Photo, *, like: LoadedFile | None = None, metadata: Metadata | None = None
) -> bytes:
    """Encode a photo as `encode` does, for callers who have no place for a sidecar.

    OutputError if the format cannot hold the photo, or its XMP.
    """
    carried = fitting_metadata(kind, metadata or (like.metadata if like else Metadata()))
    if not holds_xmp(kind, len(carried.xmp)):
        raise OutputError(
            f"the photo's XMP has {len(carried.xmp)} bytes, of which {kind.name} holds "
            f"{_JPEG_XMP_LIMIT}; use PNG, TIFF or WebP"
        )
    return _encoded(f"the {kind.name}", kind, photo, carried, like)


def fitting_metadata(kind: Format, metadata: Metadata) -> Metadata:
    """Prepare metadata for a format: its media type in the XMP, and texts that would be lost."""
    xmp = with_kind(metadata.xmp, _MEDIA_TYPES[kind])
    lost = [*metadata.texts, *as_texts(metadata.comments)]
    if kind is Format.PNG:
        lost = []
    elif kind is Format.JPEG:
        lost = [text for text in metadata.texts if not is_comment(text)]
    return replace(metadata, xmp=texts_into_xmp(xmp, lost))


def holds_xmp(kind: Format, size: int) -> bool:
    """Tell whether an XMP packet of so many bytes fits into a file of this format."""
    return kind is not Format.JPEG or size <= _JPEG_XMP_LIMIT


def _write_both(where: Path, data: bytes, outside: bytes, *, force: bool) -> None:
    """Write the sidecar, then the file, so that a photo of ours is never without its mark."""
    sidecar = sidecar_for(where)
    if outside:
        write_bytes(sidecar, outside, force=force)
    try:
        write_bytes(where, data, force=force)
    except BaseException:
        if outside:
            sidecar.unlink(missing_ok=True)
        raise


def _encoded(
    name: str, kind: Format, photo: Photo, metadata: Metadata, like: LoadedFile | None
) -> bytes:
    is_same = like is not None and _is_same_picture(photo, like.photo)
    photo = _fitting(photo, kind)
    encoding = like.encoding if like else Encoding()
    if not _is_same_space(photo, kind, like):
        encoding = replace(encoding, stated=b"", colour_chunks=(), nclx=None, coded=b"")
    if not is_same:
        encoding = replace(encoding, coded=b"")
    try:
        return _bytes_of(kind, photo, metadata, encoding)
    except (OSError, ValueError, MemoryError) as error:
        raise OutputError(f"{name}: {kind.name} cannot hold this photo ({error})") from error


def _is_same_space(photo: Photo, kind: Format, like: LoadedFile | None) -> bool:
    """Tell whether the source's statements about its colours are as true of the result's."""
    return like is not None and (
        (like.format, like.photo.icc_profile, like.photo.is_grey)
        == (kind, photo.icc_profile, photo.is_grey)
    )


def _is_same_picture(photo: Photo, source: Photo) -> bool:
    return photo.depth is source.depth and np.array_equal(photo.to_samples(), source.to_samples())


def _bytes_of(kind: Format, photo: Photo, metadata: Metadata, encoding: Encoding) -> bytes:
    samples = photo.to_samples()
    if kind is Format.TIFF:
        from ldrps_client.files.codecs._tiff import tiff_bytes

        return tiff_bytes(photo, samples, metadata, encoding)
    # What a file of this kind stated by numbers it states so again, for every viewer alike.
    by_exif = kind is Format.JPEG and bool(within(metadata.exif, _EXIF_LIMIT))
    said = bool(encoding.stated) and (kind is Format.PNG or by_exif)
    profile = b"" if said else photo.icc_profile
    if kind is Format.PNG:
        from ldrps_client.files.codecs._png import png_bytes

        return png_bytes(samples, profile, metadata, encoding.colour_chunks)
    return _through_pillow(kind, samples, profile, metadata, encoding)


def _fitting(photo: Photo, kind: Format) -> Photo:
    """Convert the photo to a depth that the format holds, with a profile for its channels."""
    held = _DEPTHS.get(kind, (Depth.U8,))
    if photo.depth not in held:
        deepest = held[-1]
        ratio = deepest.peak / photo.depth.peak
        alpha = photo.alpha
        if alpha is not None:
            scaled = np.rint(np.clip(alpha.astype(np.float64) * ratio, 0, deepest.peak))
            alpha = scaled.astype(deepest.dtype)
        photo = Photo(photo.pixels, deepest, alpha, photo.icc_profile)
    if kind in _WITHOUT_GREY and photo.is_grey and photo.icc_profile[16:20] == b"GRAY":
        # Stored as three channels, for which such a profile says nothing.
        space = colour_space(photo.icc_profile, grey=True)
        photo = Photo(to_srgb(photo.pixels, space), photo.depth, photo.alpha)
    return photo


def _through_pillow(
    kind: Format, samples: Samples, profile: bytes, metadata: Metadata, encoding: Encoding
) -> bytes:
    from PIL import Image

    # A picture that nothing has changed is not coded again, which would cost it a little each time.
    if kind is Format.AVIF and encoding.coded:
        written = _options(kind, metadata)
        return _coded_avif.with_metadata(
            encoding.coded, *(cast(bytes, written.get(name, b"")) for name in ("exif", "xmp"))
        )
    coded, size, alpha = encoding.coded, samples.shape[1::-1], samples.shape[2] in (2, 4)
    if coded:
        samples = samples[:8, :8]
    buffer = io.BytesIO()
    squeezed = samples[..., 0] if samples.shape[2] == 1 else samples
    options: dict[str, object] = {
        "icc_profile": profile or None,
        **_compression(kind, encoding, alpha=alpha),
        **_options(kind, metadata),
    }
    Image.fromarray(np.ascontiguousarray(squeezed)).save(buffer, kind.value, **options)
    data = buffer.getvalue()
    if coded and kind is Format.WEBP:
        return _coded_webp.with_metadata_of(coded, data, size, alpha=alpha)
    if coded:
        return with_metadata_of(coded, data)
    return _with_nclx(data, encoding.nclx) if encoding.nclx and encoding.stated else data


def _with_nclx(data: bytes, numbers: tuple[int, int]) -> bytes:
    """State an AVIF's colours by number as well as by its profile, for viewers without profiles."""
    at = data.find(_NCLX)
    if at < 0:
        return data
    at += len(_NCLX)
    return data[:at] + struct.pack(">2H", *numbers) + data[at + 4 :]


def _options(kind: Format, metadata: Metadata) -> dict[str, object]:
    """Return Pillow's options for the metadata; it leaves out what it is not given."""
    exif, xmp = metadata.exif, metadata.xmp
    options: dict[str, object] = {"dpi": metadata.dpi} if metadata.dpi else {}
    if kind is Format.JPEG:
        exif = within(exif, _EXIF_LIMIT)
        comments = (*metadata.comments, *as_comments(metadata.texts))
        options["extra"] = jpeg_segment(metadata.iptc) + comment_segments(comments)
    else:
        # Neither kind has a place for the resolution, nor for IPTC's own records.
        exif = with_resolution(exif, metadata.dpi) if metadata.dpi else exif
        xmp = into_xmp(xmp, metadata.iptc) if metadata.iptc else xmp
    return {**options, "exif": with_prefix(exif), **({"xmp": xmp} if xmp else {})}


def _compression(kind: Format, encoding: Encoding, *, alpha: bool) -> dict[str, object]:
    if kind is Format.WEBP:
        # Exact: invisible pixels too are what they were.
        lossy = {"quality": 95, "method": 4, "use_sharp_yuv": True}
        return {"exact": True, **({"lossless": True} if encoding.lossless else lossy)}
    if kind is Format.AVIF:
        exact = {"codec": "aom", "advanced": {"alpha:lossless": "1"}} if alpha else {}
        return {"quality": 90, "subsampling": "4:4:4", **exact}
    if encoding.quantization:
        return {
            "qtables": encoding.quantization,
            "subsampling": encoding.subsampling,
            "progressive": encoding.progressive,
            "optimize": True,
        }
    return {"quality": 95, "subsampling": 0, "optimize": True}


def write_bytes(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a file by renaming a finished one into place; OutputError if that fails."""
    _check_place(path, force=force)
    try:
        write_atomically(path, data, part_path(path), force=force)
    except FileExistsError:
        raise TakenError(path) from None
    except OSError as error:
        why = cause_and_remedy(error)
        raise OutputError(f"{path} cannot be written: {why}") from error
