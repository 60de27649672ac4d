"""How much of the spool a job takes, before it has taken it."""

from __future__ import annotations

from ldrps.v1 import restoration_pb2 as pb
from ldrps_wire.conversion import raster_bytes

_SAMPLES_PER_BYTE = 12
"""So many samples one lets a byte of a file stand for until it is decoded."""


def payload_bytes(header: pb.SubmitHeader) -> int:
    """What the client handed in."""
    return int(header.file.size) if header.HasField("file") else raster_bytes(header.raster)


def expected_bytes(header: pb.SubmitHeader, decoded: int = 0) -> int:
    """What a job's layers will take; `decoded` is the size of a file's photo, 0: not known yet."""
    if header.look_only:
        return 0
    size = decoded or payload_bytes(header)
    if header.HasField("file") and not decoded:
        size *= _SAMPLES_PER_BYTE
    layers = list(header.settings.layers) or ["restored"]
    maps = layers.count("invented")
    # A map has a byte for each pixel; of a file's pixels it is known that they are no more.
    area = header.raster.width * header.raster.height or size
    return int((len(layers) - maps) * size + maps * area)
