"""Space in the spool that a job takes, estimated before it takes it."""

from __future__ import annotations

from google.protobuf.message import Message

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.settings import GREY_LAYERS, spelt_out
from ldrps_wire.conversion import raster_bytes

# Samples assumed for each byte of a file until it is decoded.
_SAMPLES_PER_BYTE = 12
# Size in bytes up to which a header is not worth counting: a profile or a mask makes it large.
_SMALL_HEADER = 1 << 12
# Constant growth, in bytes, of noise encoded without loss; a 32nd is added to it.
_ENCODED_MORE = 1 << 16


def payload_bytes(header: pb.SubmitHeader) -> int:
    """Return the bytes that the client handed in."""
    return int(header.file.size) if header.HasField("file") else raster_bytes(header.raster)


def header_bytes(*headers: Message) -> int:
    """Return the bytes of large headers, which the journal holds and nothing else counts."""
    return sum(size for each in headers if (size := each.ByteSize()) > _SMALL_HEADER)


def slim(header: pb.SubmitHeader) -> pb.SubmitHeader:
    """Copy a header without what only a worker needs, for a job that has ended."""
    kept = pb.SubmitHeader()
    kept.CopyFrom(header)
    kept.ClearField("damage")
    if kept.HasField("raster"):
        kept.raster.ClearField("icc_profile")
    return kept


def peak_bytes(header: pb.SubmitHeader, decoded: int = 0) -> int:
    """Return the most bytes that a job has on disk at a time, up to its end.

    These are its photo, the decoder's output, whose blocks a worker holds as long as it works,
    and layers, with one of them raw and encoded if they are files. `decoded` is the size of a
    file's photo, 0: not known yet.
    """
    size = _photo_bytes(header, decoded)
    held = size if header.HasField("file") else 0
    encodes = header.result_format and not header.diagnose_only
    beside = 2 * (size + size // 32 + _ENCODED_MORE) if encodes else 0
    # In the job's folder, in the journal and, for a while, in its log; layers have the profile too.
    thrice = 3 * header_bytes(header)
    return payload_bytes(header) + thrice + held + expected_bytes(header, decoded) + beside


def _photo_bytes(header: pb.SubmitHeader, decoded: int) -> int:
    size = decoded or payload_bytes(header)
    return size * _SAMPLES_PER_BYTE if header.HasField("file") and not decoded else size


def expected_bytes(header: pb.SubmitHeader, decoded: int = 0) -> int:
    """Estimate the bytes of a job's layers."""
    if header.diagnose_only:
        return 0
    size = _photo_bytes(header, decoded)
    layers = spelt_out(tuple(header.settings.layers) or ("restored",))
    maps = sum(name in GREY_LAYERS for name in layers)
    # A map has a byte for each pixel; of a file's pixels it is known that they are no more.
    area = header.raster.width * header.raster.height or size
    return int((len(layers) - maps) * size + maps * area)
