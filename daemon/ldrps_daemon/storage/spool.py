"""Jobs on disk: header and pixels on the way in, layers on the way out as a watcher asks."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.transport.security import own_folder
from ldrps_engine.model_store.atomic import UNFINISHED, replacing, sync
from ldrps_engine.result import Layer
from ldrps_wire.conversion import CHUNK_BYTES, layer_bytes, raster_of

ATTEMPT = "attempt-"
"""Prefix of attempts' folders in a job's, see `attempts.py`."""


@dataclass(frozen=True)
class JobFolder:
    """A job's own folder in the spool."""

    path: Path

    @property
    def header(self) -> Path:
        """File of the serialised SubmitHeader."""
        return self.path / "header"

    @property
    def pixels(self) -> Path:
        """File of the bytes in the client's chunks."""
        return self.path / "pixels"

    @property
    def decoded(self) -> Path:
        """File that the decoder makes of an encoded photo, while a worker reads it."""
        return self.path / "decoded"

    @property
    def events(self) -> Path:
        """File of the job's events, see `eventlog.py`."""
        return self.path / "events"

    @property
    def checkpoint(self) -> Path:
        """File from which another worker may go on."""
        return self.path / "checkpoint"

    @property
    def result(self) -> Path:
        """File of the raw samples of all layers, one after the other."""
        return self.path / "result"

    def checkpoint_bytes(self) -> int:
        """Return the size of the checkpoint; 0 if there is none."""
        try:
            return self.checkpoint.stat().st_size
        except OSError:
            return 0

    def make(self, header: pb.SubmitHeader) -> BinaryIO:
        """Make the folder, keep the header, and open the pixels' file for writing."""
        self.path.mkdir(mode=0o700)
        self.header.write_bytes(header.SerializeToString())
        return self.pixels.open("wb")

    def sync(self) -> None:
        """Return once header and pixels are safe from a crash of the machine."""
        for path in (self.header, self.pixels, self.path, self.path.parent):
            sync(path)

    def drop_input(self) -> None:
        """Remove header, pixels and checkpoint, which are not read any more."""
        for path in (self.header, self.pixels, self.checkpoint):
            path.unlink(missing_ok=True)

    def drop_rest(self, *, with_result: bool) -> None:
        """Remove these and what a killed worker left, since no worker writes here any more."""
        self.drop_input()
        left = [self.decoded, *self.path.glob(f"*{UNFINISHED}")]
        for path in [*left, self.result] if with_result else left:
            path.unlink(missing_ok=True)
        for path in self.path.glob(f"{ATTEMPT}*"):
            shutil.rmtree(path, ignore_errors=True)

    def is_whole(self, size: int) -> bool:
        """Tell whether a worker would find what it needs."""
        try:
            return self.header.exists() and self.pixels.stat().st_size == size
        except OSError:
            return False

    def mend_header(self, header: pb.SubmitHeader) -> None:
        """Write the header again where the disk has lost or damaged it: the journal has it too."""
        wanted = header.SerializeToString()
        with contextlib.suppress(OSError):
            if self.header.is_file() and self.header.read_bytes() == wanted:
                return
            with replacing(self.header) as file:
                file.write(wanted)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def spool_folder(spool: Path, address: str) -> Path:
    """Make the folder of the daemon with this address, whose lock must be held."""
    own_folder(spool)
    folder = spool / hashlib.sha256(address.encode()).hexdigest()[:16]
    own_folder(folder)
    return folder


def write_layers(
    path: Path, layers: Sequence[Layer], *, lasting: bool = True
) -> list[pb.LayerHeader]:
    """Write the raw samples of all layers, one after the other; whole or not at all."""
    headers = []
    with replacing(path, lasting=lasting) as file:
        for index, layer in enumerate(layers):
            # Not by `tofile`, which does not notice that a full disk took only a part.
            file.write(np.ascontiguousarray(layer.photo.to_samples()).data)
            raster = raster_of(layer.photo)
            headers.append(pb.LayerHeader(layer=index, name=layer.name, raster=raster))
    return headers


@dataclass(frozen=True)
class StoredLayers:
    """A result file and what lies in it. The same index always gives the same event."""

    path: Path
    headers: tuple[pb.LayerHeader, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all layers."""
        return sum(layer_bytes(header) for header in self.headers)

    def is_whole(self) -> bool:
        """Tell whether the file holds what the headers say."""
        try:
            return self.path.stat().st_size == self.bytes
        except OSError:
            return False

    def count(self) -> int:
        """Number of events that carry the layers: a header and its chunks for each."""
        return sum(1 + _chunk_count(header) for header in self.headers)

    def event(self, index: int) -> pb.Event:
        """Return the event at a 0-based index, its number not yet set. Reads the file."""
        start = 0
        for header in self.headers:
            chunks = _chunk_count(header)
            if index == 0:
                return pb.Event(layer_header=header)
            if index <= chunks:
                return pb.Event(layer_chunk=self._chunk(header, start, index - 1))
            index -= 1 + chunks
            start += layer_bytes(header)
        raise IndexError(index)

    def _chunk(self, header: pb.LayerHeader, start: int, index: int) -> pb.LayerChunk:
        offset = index * CHUNK_BYTES
        length = min(CHUNK_BYTES, layer_bytes(header) - offset)
        with self.path.open("rb") as file:
            file.seek(start + offset)
            return pb.LayerChunk(layer=header.layer, data=file.read(length))


def _chunk_count(header: pb.LayerHeader) -> int:
    return -(-layer_bytes(header) // CHUNK_BYTES)
