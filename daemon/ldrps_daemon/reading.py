"""Spooled payloads back to photos, in the worker: the front never decodes anything."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from google.protobuf.message import DecodeError

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._status import error_of
from ldrps_client._wire import photo_from_wire
from ldrps_daemon.decoder import ERROR, LENGTH, PHOTO
from ldrps_daemon.pipe import Order
from ldrps_daemon.process import environment
from ldrps_engine.errors import LdrpsError, PhotoError
from ldrps_engine.photo import Photo

DECODE_SECONDS = 300.0
SCARCE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""What the machine has too little of for the moment, whatever is asked of it."""
_POLL_SECONDS = 0.05


class UnableError(Exception):
    """The machine lacks what any photo needs; says what."""


def read_photo(order: Order, header: pb.SubmitHeader, check: Callable[[], None]) -> Photo:
    """The photo of an order, from raw pixels or from a file's bytes; `check` stops by raising."""
    if header.HasField("file"):
        return _decoded(order, check)
    # Mapped, so that the raw samples take no memory beside the photo's own.
    pixels = np.memmap(order.folder.pixels, dtype=np.uint8, mode="r")
    return photo_from_wire(header.raster, pixels.data)


def _decoded(order: Order, check: Callable[[], None]) -> Photo:
    decoded = order.folder.decoded
    try:
        with order.folder.pixels.open("rb") as payload, decoded.open("wb") as out:
            command = [sys.executable, "-P", "-m", "ldrps_daemon.decoder"]
            command += [f"--max-pixels={order.max_pixels}", f"--parent={os.getpid()}"]
            process = _started(command, payload, out)
        _wait(process, check)
        return _read(decoded)
    finally:
        decoded.unlink(missing_ok=True)


def _started(command: list[str], payload: BinaryIO, out: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        one = {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdin=payload, stdout=out, env=environment() | one)
    except OSError as error:
        raise UnableError(f"no process can be started ({error.strerror})") from error


def _wait(process: subprocess.Popen[bytes], check: Callable[[], None]) -> None:
    deadline = time.monotonic() + DECODE_SECONDS
    try:
        while process.poll() is None:
            check()
            if time.monotonic() > deadline:
                raise _unsafe()
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise _unsafe()


def _read(decoded: Path) -> Photo:
    """What the decoder wrote, believed no more than what a client sends."""
    try:
        data = np.memmap(decoded, dtype=np.uint8, mode="r").data
        if bytes(data[:1]) == ERROR:
            said = json.loads(bytes(data[1:]))
            raise error_of(str(said["reason"]), str(said["message"])[:500])
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


def _unsafe() -> PhotoError:
    return PhotoError(
        "the file cannot be decoded within the limits there are; save it as PNG or TIFF"
    )
