"""Photos in PQ and HLG are refused, whatever kind of file they come in."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from ldrps_client.files import decode
from ldrps_engine.errors import PhotoError
from support import profiles

SRGB, PQ, HLG = 13, 16, 18


def avif(folder, transfer, bits=10):
    """A photo that states its colours by numbers alone."""
    values = np.random.default_rng(0).integers(0, 1 << bits, (40, 48, 3))
    samples = values.astype(np.uint16 if bits > 8 else np.uint8)
    path = folder / "in.avif"
    path.write_bytes(
        imagecodecs.avif_encode(
            samples, bitspersample=bits, primaries=9, transfer=transfer, matrix=9
        )
    )
    return path


def png(folder, *chunks, profile=b""):
    """A PNG with more chunks behind its header."""
    path = folder / "in.png"
    Image.new("RGB", (40, 48)).save(path, icc_profile=profile)
    data = path.read_bytes()
    added = b""
    for kind, body in chunks:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        added += struct.pack(">I", len(body)) + kind + body + crc
    path.write_bytes(data[:33] + added + data[33:])
    return path


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_avif(tmp_path, bits, transfer, name):
    with pytest.raises(PhotoError, match=rf"in HDR \({name}\); export it as SDR"):
        decode(avif(tmp_path, transfer, bits))
    assert decode(avif(tmp_path, SRGB, bits)).photo.width == 48


def test_an_avif_whose_profile_says_otherwise(tmp_path):
    path = tmp_path / "in.avif"
    Image.new("RGB", (40, 48)).save(path, icc_profile=profiles.KNOWN["display-p3"])
    assert decode(path).photo.icc_profile == profiles.KNOWN["display-p3"]


@pytest.mark.parametrize("profile", [b"", profiles.KNOWN["display-p3"]])
@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_png(tmp_path, profile, transfer, name):
    path = png(tmp_path, (b"cICP", bytes([9, transfer, 0, 1])), profile=profile)
    with pytest.raises(PhotoError, match=rf"in HDR \({name}\)"):
        decode(path)


@pytest.mark.parametrize(
    "chunks", [[], [(b"cICP", bytes([1, SRGB, 0, 1]))], [(b"cICP", b"")], [(b"cICP", bytes(9))]]
)
def test_pngs_of_other_kinds(tmp_path, chunks):
    assert decode(png(tmp_path, *chunks)).photo.width == 40
