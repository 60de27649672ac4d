"""Kinds of file that need an optional library, and what is said where it is missing."""

import io
import shutil
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps_client.cli import main
from ldrps_client.files import Format, decode, encode
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import LimitError, PhotoError
from ldrps_engine.photo import Depth
from support import profiles


def smooth(depth=Depth.U8, size=(48, 64)):
    y, x = np.mgrid[: size[0], : size[1]]
    down, across = size[0] - 1, size[1] - 1
    colour = np.stack([x / across, y / down, (x + y) / (across + down)], axis=-1)
    return np.rint(colour * depth.peak).astype(depth.dtype)


@pytest.fixture
def heif():
    return pytest.importorskip("pillow_heif")


def written(library, path, samples, **options):
    mode = {("uint8", 3): "RGB", ("uint16", 3): "RGB;16", ("uint8", 4): "RGBA"}
    name = mode[samples.dtype.name, samples.shape[2]]
    size = samples.shape[1], samples.shape[0]
    image = library.from_bytes(name, size, samples.tobytes())
    if name == "RGB":
        image.info["icc_profile"] = profiles.KNOWN["display-p3"]
        image.info["icc_profile_type"] = "prof"
    image.save(path, quality=-1, chroma=444, **options)


def orientation_6():
    exif = Image.Exif()
    exif[271], exif[274] = "Kamera", 6
    return exif.tobytes()


def test_heif(heif, tmp_path):
    path = tmp_path / "in.heic"
    given = smooth()
    written(heif, path, given, exif=orientation_6(), xmp=b"<x/>")
    loaded = decode(path)
    assert loaded.format is Format.HEIF
    # Turned once and not twice, by the container's own rule.
    expected = np.rot90(given, -1).astype(int)
    assert np.abs(loaded.photo.to_samples() - expected).max() <= 3
    assert loaded.photo.icc_profile == profiles.KNOWN["display-p3"]
    encode(tmp_path / "out.jpg", loaded.photo, like=loaded)
    with Image.open(tmp_path / "out.jpg") as image:
        assert (image.getexif()[271], image.getexif()[274]) == ("Kamera", 1)


def test_heif_with_ten_bits(heif, tmp_path):
    given = smooth(Depth.U16)
    written(heif, tmp_path / "in.heic", given)
    photo = decode(tmp_path / "in.heic").photo
    assert photo.depth is Depth.U16
    # Ten bits are 64 steps apart in sixteen; the codec adds as much again.
    assert np.abs(photo.to_samples().astype(int) - given).max() < 200
    assert photo.to_samples().max() > 65_000


def test_heif_with_alpha(heif, tmp_path):
    given = np.dstack([smooth(), np.full((48, 64), 77, np.uint8)])
    written(heif, tmp_path / "in.heic", given)
    assert (decode(tmp_path / "in.heic").photo.alpha == 77).all()


def test_a_heif_is_restored_to_a_jpeg(heif, tmp_path, address):
    written(heif, tmp_path / "in.heic", smooth())
    assert main(["restore", str(tmp_path / "in.heic")]) == 0
    assert read_mark(tmp_path / "in_restored.jpg").derived_from.path == "in.heic"


def test_a_broken_heif(heif, tmp_path):
    written(heif, tmp_path / "in.heic", smooth())
    data = (tmp_path / "in.heic").read_bytes()
    for tenth in range(1, 10):
        (tmp_path / "in.heic").write_bytes(data[: len(data) * tenth // 10])
        with pytest.raises(PhotoError, match=r"damaged or incomplete|not a photo"):
            decode(tmp_path / "in.heic")


def dng(width=96, height=64):
    """A raw file of a camera that never was: a grey card, slightly noisy."""
    noise = np.random.default_rng(0).normal(0.3, 0.02, (height, width))
    sensor = (np.clip(noise, 0, 1) * 16383).astype(np.uint16)
    matrix = (0.6, -0.1, -0.05, -0.4, 1.2, 0.2, -0.05, 0.15, 0.6)
    fractions = [number for value in matrix for number in (round(value * 10_000), 10_000)]
    tags = [
        (271, 2, 0, "Kamera", True),
        (274, 3, 1, 6, True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "Kamera", True),
        (50717, 4, 1, 16383, True),
        (50721, 10, 9, tuple(fractions), True),
        (50728, 5, 3, (1, 2, 1, 1, 1, 2), True),
        (50778, 3, 1, 21, True),
    ]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, sensor, photometric=32803, extratags=tags, metadata=None)
    return buffer.getvalue()


@pytest.fixture
def raw(tmp_path):
    pytest.importorskip("rawpy")
    path = tmp_path / "in.dng"
    path.write_bytes(dng())
    return path


def test_raw(raw, tmp_path):
    loaded = decode(raw)
    assert (loaded.format, loaded.photo.depth) == (Format.RAW, Depth.U16)
    assert (loaded.photo.width, loaded.photo.height) == (64, 96)
    assert 0.2 < loaded.photo.pixels.mean() < 0.95
    encode(tmp_path / "out.tif", loaded.photo, like=loaded)
    with Image.open(tmp_path / "out.tif") as image:
        assert (image.getexif()[271], image.getexif().get(274, 1)) == ("Kamera", 1)


def test_a_raw_is_restored_to_a_tiff(raw, tmp_path, address):
    assert main(["restore", str(raw)]) == 0
    assert decode(tmp_path / "in_restored.tif").photo.depth is Depth.U16


def test_a_raw_file_under_another_name_is_not_taken_for_its_preview(raw, tmp_path):
    shutil.copy(raw, tmp_path / "in.tif")
    with pytest.raises(PhotoError, match="camera's raw file"):
        decode(tmp_path / "in.tif")


@pytest.mark.parametrize(
    "data", [b"FUJIFILMCCD-RAW" + bytes(200), dng()[:900], b"IIRO" + bytes(99)]
)
def test_a_broken_raw(tmp_path, data):
    pytest.importorskip("rawpy")
    (tmp_path / "in.nef").write_bytes(data)
    with pytest.raises((PhotoError, LimitError)):
        decode(tmp_path / "in.nef")


@pytest.mark.parametrize(
    ("module", "name", "data", "extra"),
    [
        ("pillow_heif", "in.heic", b"\0\0\0\x18ftypheic" + bytes(99), "heif"),
        ("rawpy", "in.nef", dng(), "raw"),
        ("rawpy", "in.cr3", b"\0\0\0\x18ftypcrx " + bytes(99), "raw"),
    ],
)
def test_what_is_missing_is_said(tmp_path, monkeypatch, module, name, data, extra):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PhotoError, match=rf"pip install 'ldrps\[{extra}\]'"):
        decode(tmp_path / name)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_avif_is_read_deep(tmp_path, bits, channels):
    given = smooth(Depth.U16)[..., :channels] >> (16 - bits)
    squeezed = given[..., 0] if channels == 1 else given
    data = imagecodecs.avif_encode(squeezed, level=100, bitspersample=bits, pixelformat="444")
    (tmp_path / "in.avif").write_bytes(data)
    photo = decode(tmp_path / "in.avif").photo
    assert photo.depth is Depth.U16
    expected = given / (2**bits - 1)
    assert np.abs(photo.pixels.mean(2) - expected.mean(2)).max() < 2 / (2**bits - 1)
