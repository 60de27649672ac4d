"""A process that decodes one file and ends, locked in: image libraries have had holes before.

Standard input is the file, or `--source` names it where a process cannot be locked in; standard
output another one that takes the result: a `P`, the length
of a pb.Raster, that, and the samples; or an `E` and JSON with reason and message.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import BinaryIO

from ldrps_client.files import Format, LoadedFile, decode, fitting_metadata, holds_xmp
from ldrps_daemon.workers.confined import LENGTH, PHOTO, STDIN, lock_in, refusing
from ldrps_daemon.workers.process import leave_with
from ldrps_engine.errors import LimitError, SettingsError
from ldrps_engine.photo import Photo
from ldrps_wire.conversion import check_result_format, raster_of

_CPU_SECONDS = 120
# Bytes that our own mark may add to a photo's XMP, generously.
_MARK_BYTES = 8192


def main() -> None:
    """Decode standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-pixels", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--result", type=Format.__getitem__)
    parser.add_argument("--source", type=Path, default=STDIN)
    given = parser.parse_args()
    leave_with(given.parent)
    with os.fdopen(1, "wb", closefd=False) as out, refusing(out, given.source):
        lock_in(given.max_pixels, _CPU_SECONDS)
        loaded = _decoded(given.source, given.max_pixels)
        if given.result:
            _check(given.result, loaded)
        _write(out, loaded.photo)


def _decoded(source: Path, max_pixels: int) -> LoadedFile:
    loaded = decode(source)
    photo = loaded.photo
    if photo.width * photo.height > max_pixels:
        raise LimitError(
            f"the photo is {photo.width}x{photo.height}; "
            f"this daemon takes at most {max_pixels} pixels"
        )
    return loaded


def _check(kind: Format, loaded: LoadedFile) -> None:
    """Refuse, before any work is done, a result that could not be encoded in the end."""
    photo = loaded.photo
    transparent = photo.alpha is not None
    check_result_format(kind, (photo.width, photo.height), transparent=transparent)
    xmp = len(fitting_metadata(kind, loaded.metadata).xmp)
    if not holds_xmp(kind, xmp + _MARK_BYTES):
        raise SettingsError(
            f"result_format {kind.name} cannot be had: the photo's XMP, {xmp} bytes, does not fit "
            "into it; use PNG, TIFF or WebP"
        )


def _write(out: BinaryIO, photo: Photo) -> None:
    raster = raster_of(photo).SerializeToString()
    out.write(PHOTO + LENGTH.pack(len(raster)) + raster)
    out.write(photo.to_samples().data)


if __name__ == "__main__":
    main()
