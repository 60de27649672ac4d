"""File formats that we read and write, recognised by their first bytes and their names."""

from __future__ import annotations

from pathlib import Path

from ldrps_engine.errors import OutputError, PhotoError
from ldrps_wire.formats import Format

DAMAGED = "it is damaged or incomplete; copy it again from where it came from"
"""Message for damaged files, and for nothing else: people go and look for a better copy."""
_READABLE = "JPEG, PNG, TIFF, WebP or AVIF"
HEAD_BYTES = 64
"""Number of bytes at a file's start that `recognise` wants to see."""


EXTENSIONS: dict[str, Format] = {
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    **dict.fromkeys((".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp"), Format.JPEG),
    ".png": Format.PNG,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
    ".webp": Format.WEBP,
    ".avif": Format.AVIF,
}

_HEIF_EXTENSIONS = (".heic", ".heif", ".hif")
_RAW_EXTENSIONS = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
    *(".srf", ".srw", ".x3f"),
)
_WRITTEN_AS = dict.fromkeys(_HEIF_EXTENSIONS, ".jpg") | dict.fromkeys(_RAW_EXTENSIONS, ".tif")

_RAW_MAGIC = (
    *(b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"),
    *(b"II\x1a\0\0\0HEAPCCDR", b"\0\0\0\x18ftypcrx "),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0", Format.TIFF),
    (b"MM\0+", Format.TIFF),
)

# Kinds that people do bring, each with the way out.
_REFUSED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF; export one frame as PNG"),
    (0, b"BM", "a BMP; save it as PNG"),
    (0, b"%PDF", "a PDF; export its picture as PNG or TIFF"),
    (0, b"8BPS", "a Photoshop document; export it as TIFF or PNG"),
    (0, b"gimp xcf", "a GIMP document; export it as TIFF or PNG"),
    (4, b"ftypavis", "an animation; export one frame as PNG"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL; save it as PNG or TIFF"),
    (0, b"\xff\x0a", "a JPEG XL; save it as PNG or TIFF"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000; save it as PNG or TIFF"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000; save it as PNG or TIFF"),
    (0, b"<!DOCTYPE ", "a web page; fetch the photo itself"),
    (0, b"<html", "a web page; fetch the photo itself"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; run git lfs pull"),
)


def recognise(name: str, head: bytes, suffix: str = "") -> Format:
    """Recognise a file's format from its first bytes, whatever its name; PhotoError if unknown.

    Only raw files are recognised by the name's `suffix` too: most of them are TIFFs as well, whose
    first picture is a small preview.
    """
    if head.startswith(_RAW_MAGIC) or (_is_tiff(head) and suffix.lower() in _RAW_EXTENSIONS):
        return Format.RAW
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp" and b"avif" in head:
        return Format.AVIF
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return Format.HEIF
    for offset, magic, what in _REFUSED:
        if head[offset:].startswith(magic):
            raise PhotoError(f"{name} is {what}")
    raise PhotoError(f"{name} is not a photo we can read; give a {_READABLE} file")


def _is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def result_suffix(photo: Path) -> str:
    """Return the ending of a result's name: the photo's own, unless we only read that format."""
    return _WRITTEN_AS.get(photo.suffix.lower(), photo.suffix)


def format_for(path: Path) -> Format:
    """Return the format of a file name to be written; OutputError if we do not write it."""
    kind = EXTENSIONS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path} does not end in a format that can be written; "
            f"use one of {', '.join(EXTENSIONS)}"
        )
    return kind
