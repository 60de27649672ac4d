"""Masks of damage on the wire: packed, unpacked, and refused before anything is kept."""

import zlib

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.errors import LimitError, SettingsError
from ldrps_engine.settings import Settings
from ldrps_wire.masks import MAX_MASK_BYTES, check_mask, mask_from_wire, mask_to_wire

MASK = np.random.default_rng(3).random((17, 23)) < 0.2
RASTER = pb.Raster(width=23, height=17, channels=3, sample_type=1)
FILLS = Settings(damage="mask")


@pytest.mark.parametrize("width", [16, 23, 24, 25])
def test_masks_come_back_bit_for_bit(width):
    mask = np.random.default_rng(width).random((19, width)) < 0.5
    assert np.array_equal(mask_from_wire(mask_to_wire(mask)), mask)


def test_a_mask_that_is_too_intricate_for_a_message_is_refused():
    mask = np.random.default_rng(0).random((3000, 3000)) < 0.5
    with pytest.raises(LimitError, match=f"at most {MAX_MASK_BYTES} are taken"):
        mask_to_wire(mask)


def message(rows, width=23, height=17):
    return pb.Mask(width=width, height=height, rows=rows)


PACKED = np.packbits(MASK, axis=1).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        message(b""),
        message(b"rubbish"),
        message(PACKED),
        message(zlib.compress(PACKED[:-1])),
        message(zlib.compress(PACKED + b"\0")),
        message(zlib.compress(PACKED)[:-1]),
        message(zlib.compress(PACKED) + b"\0"),
        message(zlib.compress(bytes(1 << 28))),
        message(zlib.compress(PACKED), width=0),
        message(zlib.compress(PACKED), width=2**32 - 1, height=2**32 - 1),
    ],
)
def test_what_is_no_mask_is_named(wrong):
    with pytest.raises(SettingsError, match="damage: the mask"):
        mask_from_wire(wrong)


@pytest.mark.parametrize("payload", [{"raster": RASTER}, {"file": pb.EncodedFile(size=9)}])
def test_a_right_mask_is_taken(payload):
    check_mask(pb.SubmitHeader(damage=mask_to_wire(MASK), **payload), FILLS)
    check_mask(pb.SubmitHeader(**payload), Settings())


@pytest.mark.parametrize(
    ("header", "settings", "words"),
    [
        (pb.SubmitHeader(raster=RASTER), FILLS, "the header has none"),
        (pb.SubmitHeader(damage=mask_to_wire(MASK)), Settings(), "set damage to 'mask'"),
        (pb.SubmitHeader(damage=mask_to_wire(MASK)), Settings(damage="off"), "set damage to"),
        (
            pb.SubmitHeader(raster=RASTER, damage=mask_to_wire(MASK.T)),
            FILLS,
            "the mask is 17x23 and the photo 23x17",
        ),
        (pb.SubmitHeader(raster=RASTER, damage=mask_to_wire(MASK & False)), FILLS, "nothing"),
        (pb.SubmitHeader(raster=RASTER, damage=mask_to_wire(MASK | True)), FILLS, "covers 100%"),
    ],
)
def test_masks_that_do_not_belong_are_refused(header, settings, words):
    with pytest.raises(SettingsError, match=words):
        check_mask(header, settings)
