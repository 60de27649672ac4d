"""Files appear whole, or not at all, and nothing that was there is lost."""

import os
import struct

import numpy as np
import pytest
import tifffile

from client.test_files import samples
from ldrps_client.files import check_target, decode, encode
from ldrps_engine.errors import OutputError
from ldrps_engine.photo import Depth, Photo


def test_an_existing_file_is_left_alone(tmp_path, pixels):
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        encode(path, Photo.from_samples(pixels))
    assert path.read_bytes() == b"precious"
    encode(path, Photo.from_samples(pixels), force=True)
    assert decode(path).photo.width == 64
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.parametrize("way", ["itself", "dotted", "symlink", "hard link"])
def test_the_original_is_not_written_to_by_any_name(photo, way):
    before, loaded = photo.read_bytes(), decode(photo)
    path = photo.with_name(f"other{photo.suffix}")
    if way == "itself":
        path = photo
    elif way == "dotted":
        path = photo.parent / ".." / photo.parent.name / photo.name
    elif way == "symlink":
        path.symlink_to(photo)
    else:
        path.hardlink_to(photo)
    with pytest.raises(OutputError, match="is the original"):
        encode(path, loaded.photo, like=loaded, force=True)
    assert photo.read_bytes() == before


def test_a_failed_write_leaves_nothing(tmp_path, pixels, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space left on device"):
        encode(tmp_path / "out.png", Photo.from_samples(pixels))
    assert os.listdir(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, pixels, monkeypatch):
    path = tmp_path / "out.png"
    real = os.link
    monkeypatch.setattr(os, "link", lambda a, b: (path.write_bytes(b"theirs"), real(a, b)))
    with pytest.raises(OutputError, match="exists already"):
        encode(path, Photo.from_samples(pixels))
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("out.xyz", "does not end in a format that can be written"),
        ("out", "does not end in a format that can be written"),
        ("missing/out.png", "create it first"),
    ],
)
def test_impossible_targets(tmp_path, name, sentence):
    with pytest.raises(OutputError, match=sentence):
        check_target(tmp_path / name)


def test_transparency_does_not_vanish_in_a_jpeg(tmp_path):
    with pytest.raises(OutputError, match="cannot be transparent"):
        encode(tmp_path / "out.jpg", Photo.from_samples(samples(Depth.U8, 4)))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [0, 1, 2**32 - 1, 2**31])
@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_a_resolution_that_nobody_meant(tmp_path, pixels, value, target):
    """Found by the fuzzer: a TIFF of infinite resolution could be read and not written."""
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", metadata=None)
    data = bytearray(path.read_bytes())
    for tag in (282, 283):
        at = data.index(struct.pack("<HHI", tag, 5, 1))
        (where,) = struct.unpack_from("<I", data, at + 8)
        data[where : where + 8] = struct.pack("<II", 2**32 - 1, value)
    path.write_bytes(data)
    loaded = decode(path)
    assert loaded.metadata.dpi is None
    encode(tmp_path / f"out{target}", loaded.photo, like=loaded)
    assert np.abs(decode(tmp_path / f"out{target}").photo.pixels.mean() - 0.39) < 0.1
