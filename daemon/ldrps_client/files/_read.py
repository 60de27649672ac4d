"""Reading one photo file. Everything is checked from the header before a pixel is decoded."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ldrps_client._text import cause_and_remedy
from ldrps_client.files._formats import DAMAGED, HEAD_BYTES, recognise
from ldrps_client.files.metadata._metadata import Metadata
from ldrps_engine.colour.colour_space import read_colour_space
from ldrps_engine.colour.icc import ProfileError
from ldrps_engine.errors import InputError, InternalError, LdrpsError, LimitError, PhotoError
from ldrps_engine.photo import Photo
from ldrps_wire.formats import Format
from ldrps_wire.system import WITHOUT_WAITING

_READERS = {
    Format.JPEG: ("ldrps_client.files.codecs._pillow", "read_jpeg"),
    Format.PNG: ("ldrps_client.files.codecs._png", "read_png"),
    Format.TIFF: ("ldrps_client.files.codecs._tiff", "read_tiff"),
    Format.WEBP: ("ldrps_client.files.codecs._pillow", "read_webp"),
    Format.AVIF: ("ldrps_client.files.codecs._pillow", "read_avif"),
    Format.HEIF: ("ldrps_client.files.codecs._extras", "read_heif"),
    Format.RAW: ("ldrps_client.files.codecs._extras", "read_raw"),
}
MOST_BYTES = 4 << 30
"""Largest file accepted, in bytes: ample for 100 megapixels of four floats; some decoders want all
of a file in memory."""
# How tifffile, imagecodecs, Pillow and libheif say that they lack something.
_UNKNOWN = re.compile(
    r"not (yet )?(supported|implemented)|unsupported|unimplemented|cannot handle"
    r"|requires the |is not available|unknown (codec|compression)|not a known",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Compression of the source, so that the result can be alike. Neutral: not known."""

    quantization: dict[int, list[int]] = field(default_factory=dict)
    """JPEG quantization tables."""
    subsampling: int = 0
    """JPEG chroma subsampling as Pillow counts it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    progressive: bool = False
    """True for a JPEG that loads in passes."""
    coded: bytes = field(default=b"", repr=False)
    """Coded picture of a JPEG or WebP, or a whole AVIF, whose pixels are the photo's own."""
    lossless: bool = False
    """True for a WebP that kept every pixel."""
    compression: str = "zlib"
    """TIFF compression as tifffile names it."""
    alpha: str = "unassalpha"
    """Meaning of a TIFF's alpha, as tifffile names it."""
    stated: bytes = b""
    """Profile that the file's own numbers for colours mean; it embeds none itself then."""
    colour_chunks: tuple[tuple[bytes, bytes], ...] = ()
    """Colour chunks of a PNG: type and content of each."""
    nclx: tuple[int, int] | None = None
    """H.273's primaries and transfer characteristics of an AVIF."""


class Parts(NamedTuple):
    """Everything a reader finds in a file."""

    photo: Photo
    metadata: Metadata
    encoding: Encoding
    odd: tuple[str, ...] = ()
    """Sentences about oddities, without the file's name."""


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """A photo, and what its file held besides."""

    path: Path
    """Path it was read from; only a name unless it was `on_disk`."""
    photo: Photo
    """Upright pixels in the file's own depth, alpha and profile."""
    format: Format
    """Format of the file, whatever its name says."""
    metadata: Metadata
    """EXIF, XMP and resolution."""
    encoding: Encoding
    """Compression of the file."""
    warnings: tuple[str, ...] = ()
    """Oddities of the file that were tolerated, one sentence each."""
    on_disk: bool = True
    """True for a file, False for bytes in memory."""


def decode(path: str | os.PathLike[str]) -> LoadedFile:
    """Read a photo file; PhotoError or LimitError say in one sentence why not.

    The file is opened for reading only.
    """
    where = Path(path)
    with opened(where) as file, _named(where):
        kind = recognise("the file", file.read(HEAD_BYTES), where.suffix)
        file.seek(0)
        return _decode(where, kind, file)


def decode_bytes(data: bytes, name: str) -> LoadedFile:
    """Read a photo file that is in memory, as `decode` does; `name` is what errors call it."""
    where = Path(name)
    with _named(where):
        kind = recognise("the file", data[:HEAD_BYTES], where.suffix)
        return replace(_decode(where, kind, io.BytesIO(data)), on_disk=False)


def _decode(where: Path, kind: Format, file: BinaryIO) -> LoadedFile:
    read = _reader(kind)
    with warnings.catch_warnings():
        # The libraries warn of sizes and broken tags; here, both are checked or tolerated.
        warnings.simplefilter("ignore")
        found = read(file, kind)
    photo, odd = _with_sound_profile(found.photo)
    encoding = found.encoding
    if kind is Format.AVIF and photo is not found.photo:
        # Which holds the broken profile, too.
        encoding = replace(encoding, coded=b"")
    return LoadedFile(
        path=where,
        photo=photo,
        format=kind,
        metadata=found.metadata,
        encoding=encoding,
        warnings=tuple(f"{where}: {sentence}" for sentence in (*found.odd, *odd)),
    )


def load_readers() -> None:
    """Import all readers at once, for a process that will soon be able to load nothing more."""
    for module, _ in _READERS.values():
        import_module(module)


def _reader(kind: Format) -> Callable[[BinaryIO, Format], Parts]:
    """Return a format's reader. Its libraries are imported late: half of the start-up time."""
    module, name = _READERS[kind]
    read: Callable[[BinaryIO, Format], Parts] = getattr(import_module(module), name)
    return read


def _with_sound_profile(photo: Photo) -> tuple[Photo, tuple[str, ...]]:
    """Remove a broken profile from a photo; returns that and sentences about a useless one.

    A whole profile for such a photo stays even if it cannot be used here: others may.
    """
    try:
        read_colour_space(photo.icc_profile, grey=photo.is_grey)
    except ProfileError as error:
        odd = f"its colour profile {error}, so the photo is taken for sRGB"
        if error.is_whole:
            return photo, (f"{odd}; the result keeps the profile",)
        return photo.with_profile(b""), (odd,)
    return photo, ()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a photo file for reading; PhotoError if it is none or may not be read."""
    with _open(path) as file:
        _check_kind(path, os.fstat(file.fileno()))
        yield file


def _open(path: Path) -> BinaryIO:
    try:
        return open(path, "rb", opener=without_waiting)
    except FileNotFoundError:
        raise PhotoError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise PhotoError(f"{path} is a folder; give a photo file") from None
    except (OSError, ValueError) as error:
        # The cause tells whether it is this photo's, or any photo's just now.
        raise PhotoError(f"{path} cannot be opened: {cause_and_remedy(error)}") from error


def without_waiting(path: str, flags: int) -> int:
    """Open as `open` does, without waiting for ever for a pipe without a writer."""
    return os.open(path, flags | WITHOUT_WAITING)


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PhotoError(f"{path} is not a regular file; give a photo file")
    if status.st_size == 0:
        raise PhotoError(f"{path} is empty; copy the photo again")
    check_size(path, status.st_size)


def check_size(path: Path, size: int) -> None:
    """Refuse a file that is larger than any photo, before a byte of it is read."""
    if size > MOST_BYTES:
        raise LimitError(
            f"{path} has {size} bytes, and no photo that is taken has more than "
            f"{MOST_BYTES}; save the photo again"
        )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name in front of errors and warnings."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    except LdrpsError:
        raise
    except MemoryError:
        raise PhotoError(f"{path}: there is not enough memory to decode it") from None
    except ImportError as error:
        # Says something about the installation, or what may be read of it, not about the photo.
        raise InternalError(
            f"{path}: a library that reads it cannot be loaded ({error}); install ldrps again"
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The system's own word: a disk that fails, or no descriptors left. Decoders give none.
            raise PhotoError(f"{path} cannot be read: {cause_and_remedy(error)}") from error
        raise PhotoError(f"{path}: {_what_is_wrong(error)}") from error


def _what_is_wrong(error: Exception) -> str:
    """Explain a decoder's exception: they raise anything from struct.error to TypeError."""
    words = " ".join(str(error).split())[:120]
    if isinstance(error, NotImplementedError) or _UNKNOWN.search(words):
        return f"it is of a kind that we do not take ({words}); save it as PNG or TIFF"
    return DAMAGED
