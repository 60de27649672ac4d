"""A process that decodes one file and ends, locked in: image libraries have had holes before.

Standard input is the file, standard output another one that takes the result: a `P`, the length
of a pb.Raster, that, and the samples; or an `E` and JSON with reason and message.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import struct
import sys
import sysconfig
from pathlib import Path
from typing import BinaryIO

from ldrps_client._wire import raster_of
from ldrps_client.files import decode
from ldrps_daemon.process import leave_with
from ldrps_daemon.sandbox import Limits, restrict
from ldrps_engine.errors import InputError, LimitError
from ldrps_engine.photo import Photo

log = logging.getLogger("ldrps.decoder")
PHOTO, ERROR = b"P", b"E"
LENGTH = struct.Struct("<I")
BYTES_PER_PIXEL = 16
"""Four channels of four bytes: no photo has more."""
_FIXED_MEMORY = 2 << 30
_COPIES = 4
_CPU_SECONDS = 120
_STDIN = Path("/proc/self/fd/0")


def main() -> None:
    """Decode standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-pixels", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args()
    leave_with(given.parent)
    limit = given.max_pixels
    nowhere = os.open(os.devnull, os.O_WRONLY)
    layers = restrict(_limits(limit), _readable())
    if not (layers.seccomp and layers.landlock):
        log.warning(
            "decoding is not locked in entirely; 'ldrps doctor' shows what is missing",
            extra=vars(layers),
        )
    # From here on the file may speak through us, and the daemon's log is not for its words.
    os.dup2(nowhere, 2)
    with os.fdopen(1, "wb", closefd=False) as out:
        try:
            _write(out, _decoded(limit))
        except InputError as error:
            words = str(error).replace(str(_STDIN), "the file")
            out.write(ERROR + json.dumps({"reason": error.reason, "message": words}).encode())


def _limits(max_pixels: int) -> Limits:
    samples = BYTES_PER_PIXEL * max_pixels
    memory = _FIXED_MEMORY + _COPIES * samples
    return Limits(memory=memory, output=samples + (1 << 20), cpu_seconds=_CPU_SECONDS)


def _readable() -> list[Path]:
    """The file, and where code is loaded from: libraries read some of theirs late."""
    code = {*sys.path, *sysconfig.get_paths().values(), sys.base_prefix, "/usr/lib", "/lib"}
    return [_STDIN, Path("/etc/ld.so.cache"), *(Path(path) for path in code if path)]


def _decoded(max_pixels: int) -> Photo:
    photo = decode(_STDIN).photo
    if photo.width * photo.height > max_pixels:
        raise LimitError(
            f"the photo is {photo.width}x{photo.height}; "
            f"this daemon takes at most {max_pixels} pixels"
        )
    return photo


def _write(out: BinaryIO, photo: Photo) -> None:
    raster = raster_of(photo).SerializeToString()
    out.write(PHOTO + LENGTH.pack(len(raster)) + raster)
    out.write(photo.to_samples().data)


if __name__ == "__main__":
    main()
