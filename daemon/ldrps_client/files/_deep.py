"""PNG and AVIF with more than 8 bits a sample, which Pillow cannot hold, through imagecodecs."""

from __future__ import annotations

from typing import BinaryIO

import imagecodecs
import numpy as np

from ldrps_client.files._formats import Format
from ldrps_engine.errors import PhotoError
from ldrps_engine.photo import Samples

_HEAD = 4096
_PNG_DEPTH_AT = 24
_PNG_COLOUR_AT = 25
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def is_deep(file: BinaryIO, kind: Format) -> bool:
    """Whether an open file has more than 8 bits a sample, from its header."""
    return _bits(file, kind) > 8


def read_deep(file: BinaryIO, kind: Format) -> Samples:
    """All samples as uint16, 65535 being white."""
    bits = _bits(file, kind)
    file.seek(0)
    data = file.read()
    if kind is Format.AVIF:
        return widened(imagecodecs.avif_decode(data), bits)
    samples: Samples = imagecodecs.png_decode(data)
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if samples.dtype != np.uint16 or channels != _PNG_CHANNELS.get(data[_PNG_COLOUR_AT]):
        raise PhotoError("it has one transparent colour; convert it to an alpha channel")
    return samples


def widened(samples: Samples, bits: int) -> Samples:
    """Samples of 10 or 12 bits, kept in 16, over all of the 16."""
    if bits in (8, 16):
        return samples
    peak = (1 << bits) - 1
    scaled = np.rint(np.minimum(samples.astype(np.float32), peak) * np.float32(65535 / peak))
    return scaled.astype(np.uint16)


def _bits(file: BinaryIO, kind: Format) -> int:
    where = file.tell()
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(where)
    if kind is Format.PNG:
        return head[_PNG_DEPTH_AT] if len(head) > _PNG_DEPTH_AT else 8
    # `pixi`, after its version: how many channels, and the bits of each (ISO 23008-12, 6.5.6).
    at = head.find(b"pixi") + 9 if kind is Format.AVIF and b"pixi" in head else len(head)
    return head[at] if at < len(head) else 8
