"""AVIF with more than 8 bits a sample, which Pillow cannot hold, through imagecodecs."""

from __future__ import annotations

from collections.abc import Mapping

import imagecodecs
import numpy as np

from ldrps_engine.photo import Samples

_HIGH, _TWELVE = 0x40, 0x20


def bits_of(properties: Mapping[bytes, bytes]) -> int:
    """Return the bits per sample, from the properties of an AVIF's main picture."""
    # Version and flags, how many channels, and the bits of each (ISO 23008-12, 6.5.6).
    if len(stated := properties.get(b"pixi", b"")) > 5:
        return stated[5]
    # AV1 codec configuration, 2.3.3.
    codec = properties.get(b"av1C", b"\0\0\0")
    if len(codec) < 3 or not codec[2] & _HIGH:
        return 8
    return 12 if codec[2] & _TWELVE else 10


def read_deep_avif(data: bytes, bits: int) -> Samples:
    """Read all samples as uint16, 65535 being white."""
    return widened(imagecodecs.avif_decode(data), bits)


def widened(samples: Samples, bits: int) -> Samples:
    """Scale samples of 10 or 12 bits, kept in 16, to the full range of 16."""
    if bits in (8, 16):
        return samples
    peak = (1 << bits) - 1
    scaled = np.rint(np.minimum(samples.astype(np.float32), peak) * np.float32(65535 / peak))
    return scaled.astype(np.uint16)
