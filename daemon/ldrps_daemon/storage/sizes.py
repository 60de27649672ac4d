"""How much of the spool a job takes, before it has taken it."""

from __future__ import annotations

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.settings import GREY_LAYERS, spelt_out
from ldrps_wire.conversion import raster_bytes

_SAMPLES_PER_BYTE = 12
"""So many samples one lets a byte of a file stand for until it is decoded."""
_ENCODED_MORE = 1 << 16
"""So many bytes, and a 32nd, noise grows when it is encoded without loss."""


def payload_bytes(header: pb.SubmitHeader) -> int:
    """What the client handed in."""
    return int(header.file.size) if header.HasField("file") else raster_bytes(header.raster)


def peak_bytes(header: pb.SubmitHeader, decoded: int = 0) -> int:
    """The most that a job has on disk at a time, up to its end.

    That is its photo, what a decoder made of it, whose blocks a worker holds as long as it works,
    and layers, with one of them raw and encoded if they are files. `decoded` is the size of a
    file's photo, 0: not known yet.
    """
    size = _photo_bytes(header, decoded)
    held = size if header.HasField("file") else 0
    encodes = header.result_format and not header.diagnose_only
    beside = 2 * (size + size // 32 + _ENCODED_MORE) if encodes else 0
    return payload_bytes(header) + held + expected_bytes(header, decoded) + beside


def _photo_bytes(header: pb.SubmitHeader, decoded: int) -> int:
    size = decoded or payload_bytes(header)
    return size * _SAMPLES_PER_BYTE if header.HasField("file") and not decoded else size


def expected_bytes(header: pb.SubmitHeader, decoded: int = 0) -> int:
    """What a job's layers will take."""
    if header.diagnose_only:
        return 0
    size = _photo_bytes(header, decoded)
    layers = spelt_out(tuple(header.settings.layers) or ("restored",))
    maps = sum(name in GREY_LAYERS for name in layers)
    # A map has a byte for each pixel; of a file's pixels it is known that they are no more.
    area = header.raster.width * header.raster.height or size
    return int((len(layers) - maps) * size + maps * area)
