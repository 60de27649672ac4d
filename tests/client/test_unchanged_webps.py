"""WebPs that come back unchanged: their picture is not coded again, and their metadata are ours."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps_client.files import decode, encode
from ldrps_client.files.codecs._coded_webp import coded_picture
from ldrps_engine.photo import Photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
KINDS = {
    "lossy": {"quality": 60},
    "lossless": {"lossless": True},
    "of odd sides": {"size": (37, 19)},
    "transparent": {"mode": "RGBA"},
    "transparent and lossless": {"mode": "RGBA", "lossless": True},
    "described": {"exif": EXIF, "xmp": XMP, "icc_profile": PROFILE},
    "transparent and described": {"mode": "RGBA", "exif": EXIF, "icc_profile": PROFILE},
}


def webp(*, mode="RGB", size=(64, 48), **options):
    shape = (size[1], size[0], len(mode))
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **options)
    return file.getvalue()


def as_pillow_sees_it(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, np.asarray(image)


@pytest.fixture
def written(tmp_path):
    """Read a WebP's bytes, write what was read once more, and return both."""

    def write(data, change=lambda loaded: loaded.metadata):
        (tmp_path / "in.webp").write_bytes(data)
        loaded = decode(tmp_path / "in.webp")
        encode(tmp_path / "out.webp", loaded.photo, like=loaded, metadata=change(loaded))
        return loaded, (tmp_path / "out.webp").read_bytes()

    return write


@pytest.mark.parametrize("behind", [b"", bytes(300)], ids=["whole", "with a rest"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_picture_is_the_same_to_the_bit(written, tmp_path, kind, behind):
    data = webp(**KINDS[kind]) + behind
    loaded, after = written(data, lambda loaded: replace(loaded.metadata, xmp=XMP))
    assert coded_picture(after) == coded_picture(data) != b""
    mode, pixels = as_pillow_sees_it(after)
    before = as_pillow_sees_it(data)
    assert mode == before[0]
    assert np.array_equal(pixels, before[1])
    found = decode(tmp_path / "out.webp")
    assert XMP in found.metadata.xmp
    assert found.metadata.exif == loaded.metadata.exif
    assert found.photo.icc_profile == loaded.photo.icc_profile


def test_one_pixel_that_differs_is_written(tmp_path):
    (tmp_path / "in.webp").write_bytes(webp())
    loaded = decode(tmp_path / "in.webp")
    samples = loaded.photo.to_samples().copy()
    samples[0, 0, 0] ^= 128
    encode(tmp_path / "out.webp", Photo.from_samples(samples), like=loaded)
    after = (tmp_path / "out.webp").read_bytes()
    assert coded_picture(after) != loaded.encoding.coded


def test_one_that_is_turned_upright_is_coded_again(written):
    exif = Image.Exif()
    exif[0x112] = 6
    loaded, after = written(webp(exif=exif.tobytes()))
    assert loaded.encoding.coded == b""
    assert as_pillow_sees_it(after)[1].shape == loaded.photo.to_samples().shape


def test_alpha_that_no_decoder_shows_does_not_come_to_light(written):
    """Transparency that the file's head denies."""
    data = bytearray(webp(mode="RGBA", exif=EXIF))
    assert data[12:16] == b"VP8X"
    data[20] &= ~0x10
    _, after = written(bytes(data))
    assert as_pillow_sees_it(after)[0] == as_pillow_sees_it(bytes(data))[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-9],
        lambda data: data[:8] + b"WEBX" + data[12:],
        lambda data: data[:12] + b"ANIM\2\0\0\0ab" + data[12:],
        lambda data: data[:4] + (len(data) - 8 - 5).to_bytes(4, "little") + data[8:],
        lambda _: b"",
    ],
)
def test_what_is_not_sound_all_the_way_is_not_carried_over(spoil):
    assert coded_picture(spoil(webp())) == b""
