"""Masks of damage between the contract's message and the engine's arrays of booleans. No torch."""

from __future__ import annotations

import zlib

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.errors import LimitError, SettingsError
from ldrps_engine.photo import MAX_PIXELS, MAX_SIDE, Mask, check_damage
from ldrps_engine.settings import Settings

MAX_MASK_BYTES = 1 << 19
"""Larger masks would not fit in one message together with a profile and the rest of a header."""


def mask_to_wire(mask: Mask) -> pb.Mask:
    """Pack a mask (H, W); LimitError for one that is too intricate for a message."""
    rows = zlib.compress(np.packbits(mask, axis=1).tobytes(), 9)
    if len(rows) > MAX_MASK_BYTES:
        raise LimitError(
            f"damage: the mask packs to {len(rows)} bytes and at most {MAX_MASK_BYTES} are taken; "
            "give one with fewer single dots and smoother edges"
        )
    return pb.Mask(width=mask.shape[1], height=mask.shape[0], rows=rows)


def mask_from_wire(message: pb.Mask) -> Mask:
    """Unpack a mask (H, W); SettingsError unless there are exactly the bits of its size."""
    width, height = message.width, message.height
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise SettingsError(
            f"damage: the mask is {width}x{height}; give a mask of the photo's own size"
        )
    wanted = height * (-(-width // 8))
    reader = zlib.decompressobj()
    try:
        # Never more than one byte too many, whatever the stream would grow to.
        bits = reader.decompress(message.rows, wanted + 1)
    except zlib.error:
        bits = b""
    if len(bits) != wanted or not reader.eof or reader.unused_data:
        raise SettingsError(
            f"damage: the mask's rows are no zlib stream of {wanted} bytes, as {width}x{height} "
            "pixels need; pack each row to whole bytes"
        )
    packed = np.frombuffer(bits, np.uint8).reshape(height, -1)
    return np.unpackbits(packed, axis=1, count=width).astype(bool)


def check_mask(header: pb.SubmitHeader, settings: Settings) -> None:
    """Refuse a mask known not to belong to its settings or its photo."""
    if (settings.damage == "mask") != header.HasField("damage"):
        raise SettingsError(
            "damage is 'mask', but the header has none; send the mask with it"
            if settings.damage == "mask"
            else "the header has a mask of damage; set damage to 'mask'"
        )
    if not header.HasField("damage"):
        return
    mask = mask_from_wire(header.damage)
    # The size of a file is not known before it is decoded.
    size = header.raster if header.HasField("raster") else header.damage
    check_damage(mask, size.width, size.height)
