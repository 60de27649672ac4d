"""JPEGs that come back unchanged: their picture is not coded again, and their metadata are ours."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps_client.files import decode, encode
from ldrps_client.files.codecs._coded_jpeg import coded_picture
from ldrps_engine.photo import Photo
from support.pictures import jpeg

KINDS = {
    "baseline": {},
    "optimised": {"optimize": True, "quality": 71},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "subsampled": {"subsampling": 2, "dpi": (300, 300)},
    "grey": {"mode": "L"},
    "coded as RGB": {"keep_rgb": True},
    "not of whole blocks": {"size": (37, 19)},
    "described": {
        "comment": b"by Ada",
        "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0",
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    },
}


def without_jfif(data):
    """Leave out JFIF's segment, which holds the resolution as well."""
    if data[2:4] != b"\xff\xe0":
        return data
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def picture_of(data):
    return without_jfif(coded_picture(data))


def as_pillow_sees_it(path):
    with Image.open(path) as image:
        return image.mode, np.asarray(image)


@pytest.fixture
def written(tmp_path):
    """Read a JPEG's bytes, write what was read once more, and return both."""

    def write(data, change=lambda loaded: loaded.metadata):
        (tmp_path / "in.jpg").write_bytes(data)
        loaded = decode(tmp_path / "in.jpg")
        encode(tmp_path / "out.jpg", loaded.photo, like=loaded, metadata=change(loaded))
        return loaded, tmp_path / "out.jpg"

    return write


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("behind", [b"", bytes(3000)], ids=["whole", "with a rest"])
def test_the_picture_is_the_same_to_the_bit(written, kind, behind):
    data = jpeg(**KINDS[kind]) + behind
    loaded, path = written(data)
    assert picture_of(path.read_bytes()) == picture_of(data) != b""
    mode, pixels = as_pillow_sees_it(path)
    before = as_pillow_sees_it(io.BytesIO(data))
    assert mode == before[0]
    assert np.array_equal(pixels, before[1])
    assert decode(path).metadata == loaded.metadata
    assert decode(path).photo.icc_profile == loaded.photo.icc_profile


@pytest.mark.parametrize("keep_rgb", [False, True])
def test_one_without_a_jfif_segment_gets_none(written, keep_rgb):
    """It would tell decoders that an RGB picture is YCbCr."""
    data = without_jfif(jpeg(keep_rgb=keep_rgb))
    _, path = written(data)
    assert b"JFIF" not in path.read_bytes()[:64]
    assert np.array_equal(as_pillow_sees_it(path)[1], as_pillow_sees_it(io.BytesIO(data))[1])


def test_new_metadata_are_written_in_place_of_the_old(written):
    data = jpeg(comment=b"old", dpi=(72, 72))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    _, path = written(
        data,
        lambda loaded: replace(
            loaded.metadata, comments=(b"new",), dpi=(300.0, 300.0), xmp=xmp, iptc=b"\x1c\2\5\0\1a"
        ),
    )
    found = decode(path).metadata
    assert found.comments == (b"new",)
    assert found.dpi == pytest.approx((300, 300))
    assert xmp in found.xmp
    assert found.iptc == b"\x1c\2\5\0\1a"
    assert picture_of(path.read_bytes()) == picture_of(data)


def test_comments_between_scans_go_and_the_scans_stay(written):
    data = jpeg(progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    commented = data[:second] + b"\xff\xfe\0\5abc" + data[second:]
    _, path = written(commented)
    assert picture_of(path.read_bytes()) == picture_of(data)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_one_that_is_turned_upright_is_coded_again(tmp_path, written, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    loaded, path = written(jpeg(exif=exif.tobytes()))
    assert loaded.encoding.coded == b""
    assert decode(path).photo.to_samples().shape == loaded.photo.to_samples().shape


def test_one_pixel_that_differs_is_written(tmp_path):
    (tmp_path / "in.jpg").write_bytes(jpeg())
    loaded = decode(tmp_path / "in.jpg")
    samples = loaded.photo.to_samples().copy()
    samples[:8, :8] = 255 - samples[:8, :8]
    encode(tmp_path / "out.jpg", Photo.from_samples(samples), like=loaded)
    back = decode(tmp_path / "out.jpg").photo.to_samples().astype(int)
    assert np.abs(back[:8, :8] - samples[:8, :8]).mean() < 12


def test_a_grey_result_of_a_coloured_source_is_grey(tmp_path):
    (tmp_path / "in.jpg").write_bytes(jpeg())
    loaded = decode(tmp_path / "in.jpg")
    encode(
        tmp_path / "out.jpg", Photo.from_samples(loaded.photo.to_samples()[..., :1]), like=loaded
    )
    assert as_pillow_sees_it(tmp_path / "out.jpg")[0] == "L"


@pytest.mark.parametrize(
    "unsound",
    [
        lambda data: data[:2] + b"stray" + data[2:],
        lambda data: data[:2] + b"\xff\xfe\xff\xff" + data[2:],
        lambda data: data[:2] + b"\xff\xb5\0\4ab" + data[2:],
        lambda data: data[:-2],
        lambda data: b"no JPEG",
    ],
    ids=["bytes between segments", "too long a segment", "unknown", "no end", "none"],
)
def test_files_that_are_not_sound_are_coded_again(unsound):
    """Decoders tolerate some of them; a copy with other metadata they might not."""
    assert coded_picture(jpeg()) != b""
    assert coded_picture(unsound(jpeg())) == b""
