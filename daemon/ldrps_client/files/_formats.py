"""Which kinds of file we read and write, told apart by their first bytes and their names."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from ldrps_engine.errors import OutputError, PhotoError

_READABLE = "JPEG, PNG, TIFF, WebP or AVIF"


class Format(Enum):
    """The kinds we read and write; the value is Pillow's name."""

    JPEG = "JPEG"
    PNG = "PNG"
    TIFF = "TIFF"
    WEBP = "WEBP"
    AVIF = "AVIF"

    @property
    def has_alpha(self) -> bool:
        """Whether a file of this kind can be transparent."""
        return self is not Format.JPEG


EXTENSIONS: dict[str, Format] = {
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    ".jpe": Format.JPEG,
    ".png": Format.PNG,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
    ".webp": Format.WEBP,
    ".avif": Format.AVIF,
}

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
    (0, b"GIF8", "a GIF, which is animated or has a palette; export one frame as PNG"),
    (0, b"BM", "a BMP; save it as PNG"),
    (0, b"%PDF", "a PDF; export its picture as PNG or TIFF"),
    (0, b"8BPS", "a Photoshop document; export it as TIFF or PNG"),
    (0, b"gimp xcf", "a GIMP document; export it as TIFF or PNG"),
    (4, b"ftyphei", "a HEIF photo, which is not read yet; convert it to JPEG or PNG"),
    (4, b"ftypmif1", "a HEIF photo, which is not read yet; convert it to JPEG or PNG"),
    (4, b"ftypavis", "an animation; export one frame as PNG"),
)


def recognise(name: str, head: bytes) -> Format:
    """The kind of a file from its first bytes, whatever its name says; PhotoError if unknown."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:12] == b"ftypavif":
        return Format.AVIF
    for offset, magic, what in _REFUSED:
        if head[offset:].startswith(magic):
            raise PhotoError(f"{name} is {what}")
    raise PhotoError(f"{name} is not a photo we can read; give a {_READABLE} file")


def format_for(path: Path) -> Format:
    """The kind that a file's name asks to be written; OutputError if we write no such kind."""
    kind = EXTENSIONS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(
            f"{path} has no ending that we can write; use one of {', '.join(EXTENSIONS)}"
        )
    return kind
