"""Reading one photo file. Everything is checked from the header before a pixel is decoded."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from ldrps_client.files._formats import HEAD_BYTES, Format, recognise
from ldrps_client.files._metadata import Metadata
from ldrps_engine.colour_space import read_colour_space
from ldrps_engine.errors import InputError, InternalError, LdrpsError, PhotoError
from ldrps_engine.icc import ProfileError
from ldrps_engine.photo import Photo


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How the source was compressed, so that the result can be alike. Neutral: not known."""

    quantization: dict[int, list[int]] = field(default_factory=dict)
    """JPEG quantization tables."""
    subsampling: int = 0
    """JPEG chroma subsampling as Pillow counts it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    progressive: bool = False
    """Whether a JPEG loads in passes."""
    lossless: bool = False
    """Whether a WebP kept every pixel."""
    compression: str = "zlib"
    """TIFF compression as tifffile names it."""
    alpha: str = "unassalpha"
    """What a TIFF's alpha means, as tifffile names it."""


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """A photo, and what its file held besides."""

    path: Path
    """Path it was read from; no more than a name unless it was `on_disk`."""
    photo: Photo
    """Upright pixels in the file's own depth, alpha and profile."""
    format: Format
    """What kind of file it was, whatever its name says."""
    metadata: Metadata
    """EXIF, XMP and resolution."""
    encoding: Encoding
    """How it was compressed."""
    warnings: tuple[str, ...] = ()
    """What is odd about it and was borne, one sentence each."""
    on_disk: bool = True
    """True for a file, False for bytes that somebody held in memory."""


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
    # The image libraries are imported when the first file is read: half of the start-up time.
    if kind is Format.TIFF:
        from ldrps_client.files._tiff import read_tiff as read
    elif kind is Format.HEIF:
        from ldrps_client.files._extras import read_heif as read
    elif kind is Format.RAW:
        from ldrps_client.files._extras import read_raw as read
    else:
        from ldrps_client.files._pillow import read_with_pillow as read
    with warnings.catch_warnings():
        # The libraries warn of sizes and broken tags; both are checked or borne here.
        warnings.simplefilter("ignore")
        photo, metadata, encoding = read(file, kind)
    photo, odd = _with_usable_profile(where, photo)
    return LoadedFile(
        path=where,
        photo=photo,
        format=kind,
        metadata=metadata,
        encoding=encoding,
        warnings=odd,
    )


def _with_usable_profile(where: Path, photo: Photo) -> tuple[Photo, tuple[str, ...]]:
    """The photo without a profile that cannot be used, and what to say about that."""
    try:
        read_colour_space(photo.icc_profile, grey=photo.is_grey)
    except ProfileError as error:
        odd = f"{where}: its colour profile {error}, so the photo is taken for sRGB"
        return photo.with_profile(b""), (odd,)
    return photo, ()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A photo file, open for reading; PhotoError if it is none or may not be read."""
    with _open(path) as file:
        _check_kind(path, os.fstat(file.fileno()))
        yield file


def _open(path: Path) -> BinaryIO:
    try:
        return open(path, "rb", opener=_without_waiting)
    except FileNotFoundError:
        raise PhotoError(f"{path}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise PhotoError(f"{path} is a folder; give a photo file") from None
    except (OSError, ValueError) as error:
        # The cause tells whether it is this photo's, or any photo's just now.
        raise PhotoError(f"{path} cannot be opened: {_why(error)}") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe that nobody writes to would wait for ever otherwise."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _check_kind(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PhotoError(f"{path} is not a regular file; give a photo file")
    if status.st_size == 0:
        raise PhotoError(f"{path} is empty; copy the photo again")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it."""
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
            raise PhotoError(f"{path} cannot be read: {_why(error)}") from error
        # Decoders raise whatever comes to hand over broken bytes, struct.error to TypeError.
        raise PhotoError(
            f"{path} is damaged or incomplete; copy it again from where it came from"
        ) from error
