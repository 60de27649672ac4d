"""Layers as the files a client asked for, encoded in a process of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.workers.confined import FILE, LENGTH
from ldrps_daemon.workers.helpers import check_status, run
from ldrps_daemon.workers.pipe import Order
from ldrps_daemon.workers.reading import raise_refusal
from ldrps_engine.errors import InternalError, LdrpsError, OutputError
from ldrps_engine.model_store.atomic import replacing
from ldrps_engine.result import Layer, Restoration
from ldrps_wire.conversion import FILE_FORMATS, raster_of, settings_from_proto
from ldrps_wire.system import CONFINES

ENCODER = "ldrps_daemon.workers.encoder"
ENCODE_SECONDS = 1200.0


def write_files(
    order: Order,
    header: pb.SubmitHeader,
    restoration: Restoration,
    done: pb.Done,
    check: Callable[[], None],
) -> list[pb.LayerHeader]:
    """Write the layers' files one after the other; whole or not at all. `check` stops by raising.

    OutputError if the format cannot hold the contents.
    """
    work = _Encoding(order, header, restoration, done, check)
    headers = []
    with replacing(order.attempt.result, lasting=order.lasting) as out:
        for index, layer in enumerate(restoration.layers):
            start = out.tell()
            work.append(layer, out)
            file = pb.ResultFile(format=header.result_format, size=out.tell() - start)
            raster = raster_of(layer.photo)
            headers.append(pb.LayerHeader(layer=index, name=layer.name, raster=raster, file=file))
    return headers


class _Encoding:
    """Settings that are the same for all layers of one job."""

    def __init__(
        self,
        order: Order,
        header: pb.SubmitHeader,
        restoration: Restoration,
        done: pb.Done,
        check: Callable[[], None],
    ) -> None:
        self._source = order.folder.pixels
        self._folder = order.attempt.path
        self._kind = next(k for k, number in FILE_FORMATS.items() if number == header.result_format)
        self._max_pixels = order.max_pixels
        self._has_file = header.HasField("file")
        self._how = _how(header, restoration, done)
        self._check = check

    def append(self, layer: Layer, out: BinaryIO) -> None:
        """Encode one layer, appended to the file's contents."""
        with self._beside("layer") as request, self._beside("encoded") as made:
            with request.open("wb") as file:
                _write_request(file, {**self._how, "layer": layer.name}, layer)
            with request.open("rb") as payload, made.open("wb") as taken:
                status = self._run(payload, taken)
            check_status("encoder", status)
            if status:
                raise OutputError(
                    f"the result cannot be encoded as {self._kind.name} within the limits there "
                    "are; ask for another kind, or for raw pixels"
                )
            _check_made(made)
            with made.open("rb") as file:
                file.seek(len(FILE))
                shutil.copyfileobj(file, out, 1 << 20)

    def _run(self, payload: BinaryIO, taken: BinaryIO) -> int:
        given: dict[str, object] = {"max-pixels": self._max_pixels, "result": self._kind.name}
        with contextlib.ExitStack() as stack:
            fds = []
            if self._has_file and not CONFINES:
                given["source"] = self._source
            elif self._has_file:
                # By its descriptor: no file can be opened by a name in there.
                source = stack.enter_context(self._source.open("rb"))
                given["source"] = f"/proc/self/fd/{source.fileno()}"
                fds.append(source.fileno())
            streams = (payload, taken)
            seconds = ENCODE_SECONDS
            return run(ENCODER, given, streams, self._check, seconds=seconds, pass_fds=fds)

    @contextlib.contextmanager
    def _beside(self, name: str) -> Iterator[Path]:
        """Open a file in the attempt's folder that is removed afterwards."""
        path = self._folder / f"{name}.part"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _how(header: pb.SubmitHeader, restoration: Restoration, done: pb.Done) -> dict[str, Any]:
    """Describe, for the XMP, how the result was made."""
    found = restoration.diagnosis
    return {
        "request": settings_from_proto(header.settings).as_dict(),
        "measured": asdict(found),
        "words": found.words(),
        "description": restoration.description,
        "seconds": done.seconds,
        "model": done.model,
        "seed": done.seed,
        "model_hash": done.model_hash,
        "generated": list(restoration.generated),
    }


def _write_request(file: BinaryIO, how: dict[str, Any], layer: Layer) -> None:
    # Figures may be numpy's own.
    words = json.dumps(how, default=lambda figure: figure.item())
    for part in (words.encode(), raster_of(layer.photo).SerializeToString()):
        file.write(LENGTH.pack(len(part)) + part)
    file.write(np.ascontiguousarray(layer.photo.to_samples()).data)


def _check_made(made: Path) -> None:
    """Check the written file, which is trusted no more than a client's data."""
    with made.open("rb") as file:
        head = file.read(1)
        if head == FILE and file.read(1):
            return
        try:
            raise_refusal(memoryview(head + file.read(1 << 16)))
        except LdrpsError:
            raise
        except (ValueError, KeyError, TypeError):
            pass
    raise InternalError("the encoder made nothing of the result; please report it")
