"""A process that decodes one file and ends, locked in: image libraries have had holes before.

Standard input is the file, standard output another one that takes the result: a `P`, the length
of a pb.Raster, that, and the samples; or an `E` and JSON with reason and message.
"""

from __future__ import annotations

import argparse
import os
import struct
from typing import BinaryIO

from ldrps_client._wire import raster_of
from ldrps_client.files import decode
from ldrps_daemon.confined import ERROR, STDIN, lock_in, own_fault, refuse
from ldrps_daemon.process import leave_with
from ldrps_engine.errors import LdrpsError, LimitError
from ldrps_engine.photo import Photo

__all__ = ["ERROR", "LENGTH", "PHOTO"]

PHOTO = b"P"
LENGTH = struct.Struct("<I")
_CPU_SECONDS = 120


def main() -> None:
    """Decode standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-pixels", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args()
    leave_with(given.parent)
    with os.fdopen(1, "wb", closefd=False) as out:
        try:
            lock_in(given.max_pixels, _CPU_SECONDS)
            _write(out, _decoded(given.max_pixels))
        except LdrpsError as error:
            refuse(out, error)
        except MemoryError:
            refuse(out, LimitError("the photo needs more memory than decoding may use"))
        except Exception as error:
            refuse(out, own_fault(error))


def _decoded(max_pixels: int) -> Photo:
    photo = decode(STDIN).photo
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
