"""Decoding of spooled payloads, in the worker: the front never decodes anything."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.workers.confined import ERROR, LENGTH, PHOTO
from ldrps_daemon.workers.helpers import check_status, run
from ldrps_daemon.workers.pipe import Order
from ldrps_engine.errors import LdrpsError, PhotoError
from ldrps_engine.photo import Photo, check_white
from ldrps_wire.conversion import photo_from_wire, result_format
from ldrps_wire.masks import mask_from_wire
from ldrps_wire.status import error_of
from ldrps_wire.system import CONFINES

DECODER = "ldrps_daemon.workers.decoder"
DECODE_SECONDS = 300.0


def read_photo(order: Order, header: pb.SubmitHeader, check: Callable[[], None]) -> Photo:
    """Read the photo of an order, from raw pixels or a file's bytes; `check` stops by raising."""
    photo = _photo(order, header, check)
    if header.HasField("damage"):
        return photo.with_damage(mask_from_wire(header.damage))
    return photo


def _photo(order: Order, header: pb.SubmitHeader, check: Callable[[], None]) -> Photo:
    if header.HasField("file"):
        return _decoded(order, header, check)
    # Mapped, so that the raw samples take no memory in addition to the photo's own.
    pixels = np.memmap(order.folder.pixels, dtype=np.uint8, mode="r")
    photo = photo_from_wire(header.raster, pixels.data)
    check_white(photo)
    return photo


def _decoded(order: Order, header: pb.SubmitHeader, check: Callable[[], None]) -> Photo:
    decoded = order.attempt.decoded
    given: dict[str, object] = {"max-pixels": order.max_pixels}
    if not CONFINES:
        given["source"] = order.folder.pixels
    if kind := result_format(header):
        given["result"] = kind.name
    try:
        with order.folder.pixels.open("rb") as payload, decoded.open("wb") as out:
            status = run(DECODER, given, (payload, out), check, seconds=DECODE_SECONDS)
        check_status("decoder", status)
        if status:
            raise _unsafe()
        return _read(decoded)
    finally:
        decoded.unlink(missing_ok=True)


def _read(decoded: Path) -> Photo:
    """Read the decoder's output, which is trusted no more than a client's data."""
    try:
        data = np.memmap(decoded, dtype=np.uint8, mode="r").data
        raise_refusal(data)
        start = 1 + LENGTH.size
        (length,) = LENGTH.unpack(data[1:start])
        raster = pb.Raster.FromString(bytes(data[start : start + length]))
        if bytes(data[:1]) == PHOTO:
            return photo_from_wire(raster, data[start + length :])
    except LdrpsError:
        raise
    except (ValueError, KeyError, TypeError, struct.error, DecodeError) as error:
        raise _unsafe() from error
    raise _unsafe()


def raise_refusal(data: memoryview) -> None:
    """Raise the refusal that a locked-in process gave for its file, if it gave one."""
    if bytes(data[:1]) == ERROR:
        said = json.loads(bytes(data[1:]))
        raise error_of(str(said["reason"]), str(said["message"])[:500])


def _unsafe() -> PhotoError:
    return PhotoError(
        "the file cannot be decoded within the limits there are; save it as PNG or TIFF"
    )
