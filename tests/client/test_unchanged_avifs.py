"""AVIFs that come back unchanged: their pictures are not coded again, their metadata are ours."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from ldrps_client.files import decode, encode
from ldrps_client.files.codecs._coded_avif import can_be_kept, with_metadata
from ldrps_engine.photo import Depth, Photo

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x0e\x01\2\0\4\0\0\0ABC\0\0\0\0\0"
KINDS = {
    "plain": {},
    "of odd sides": {"size": (37, 19)},
    "transparent": {"mode": "RGBA"},
    "grey": {"mode": "L"},
    "described": {"exif": EXIF, "xmp": XMP, "icc_profile": PROFILE},
    "transparent and described": {"mode": "RGBA", "exif": EXIF, "xmp": XMP},
}


def avif(*, mode="RGB", size=(64, 48), **options):
    shape = (size[1], size[0], len(mode)) if len(mode) > 1 else (size[1], size[0])
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=60, speed=10, **options)
    return file.getvalue()


def deep_avif():
    import imagecodecs

    pixels = np.random.default_rng(3).integers(0, 1024, (48, 64, 3), dtype=np.uint16)
    return bytes(imagecodecs.avif_encode(pixels, level=60, bitspersample=10))


def as_pillow_sees_it(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, np.asarray(image)


def coded_parts(data):
    """Bytes of the first `mdat`, which hold the pictures."""
    start = data.index(b"mdat") + 4
    return data[start : start - 8 + int.from_bytes(data[start - 8 : start - 4], "big")]


@pytest.fixture
def written(tmp_path):
    """Read an AVIF's bytes, write what was read once more, and return both."""

    def write(data, change=lambda loaded: loaded.metadata):
        (tmp_path / "in.avif").write_bytes(data)
        loaded = decode(tmp_path / "in.avif")
        encode(tmp_path / "out.avif", loaded.photo, like=loaded, metadata=change(loaded))
        return loaded, (tmp_path / "out.avif").read_bytes()

    return write


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_pictures_are_the_same_to_the_bit(written, tmp_path, kind):
    data = avif(**KINDS[kind])
    loaded, after = written(data, lambda loaded: replace(loaded.metadata, xmp=XMP + b" "))
    assert coded_parts(after) == coded_parts(data) != b""
    mode, pixels = as_pillow_sees_it(after)
    before = as_pillow_sees_it(data)
    assert mode == before[0]
    assert np.array_equal(pixels, before[1])
    found = decode(tmp_path / "out.avif")
    assert XMP in found.metadata.xmp
    assert found.metadata.exif == loaded.metadata.exif
    assert found.photo.icc_profile == loaded.photo.icc_profile
    # What came out can be written again, without growing by what it had.
    assert len(with_metadata(after, b"", XMP)) <= len(after) + len(XMP) + 8


def test_a_deep_one_keeps_its_depth(written, tmp_path):
    data = deep_avif()
    loaded, _ = written(data, lambda loaded: replace(loaded.metadata, xmp=XMP))
    assert loaded.photo.depth is Depth.U16
    found = decode(tmp_path / "out.avif")
    assert found.photo.depth is Depth.U16
    assert np.array_equal(found.photo.to_samples(), loaded.photo.to_samples())
    assert XMP in found.metadata.xmp


def test_one_pixel_that_differs_is_written(tmp_path):
    data = avif()
    (tmp_path / "in.avif").write_bytes(data)
    loaded = decode(tmp_path / "in.avif")
    samples = loaded.photo.to_samples().copy()
    samples[0, 0, 0] ^= 128
    encode(tmp_path / "out.avif", Photo.from_samples(samples), like=loaded)
    assert coded_parts((tmp_path / "out.avif").read_bytes()) != coded_parts(data)


def test_one_that_is_turned_upright_is_coded_again(written):
    exif = Image.Exif()
    exif[0x112] = 6
    loaded, after = written(avif(exif=exif.tobytes()))
    assert loaded.encoding.coded == b""
    assert as_pillow_sees_it(after)[1].shape == loaded.photo.to_samples().shape


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-9],
        lambda data: data + bytes(7),
        lambda data: data + b"\0\0\0\x08uuid",
        lambda data: data.replace(b"iloc", b"ilox"),
        lambda data: data.replace(b"pitm", b"free", 1),
        lambda _: b"",
    ],
)
def test_what_is_not_known_all_the_way_is_not_carried_over(spoil):
    assert can_be_kept(avif())
    assert not can_be_kept(spoil(avif()))
