"""Files that decoders take, or refuse for another reason than the true one."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from ldrps_client.files import decode, decode_bytes
from ldrps_client.files.codecs._jpeg import LACKS_PASSES
from ldrps_client.files.metadata._companions import PICTURES
from ldrps_engine.errors import InputError, LimitError, PhotoError
from support import pictures


def image(width=96, height=64):
    values = pictures.natural(height, width)
    values = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(values)


def saved(kind, picture=None, **options):
    file = io.BytesIO()
    (picture or image()).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_giant_with_a_small_photo_in_front_is_not_read(tmp_path, kind):
    path = tmp_path / "in"
    path.write_bytes(saved(kind))
    os.truncate(path, 64 << 30)
    with pytest.raises(LimitError, match="has 68719476736 bytes, and no photo"):
        decode(path)


@pytest.mark.timeout(20)
def test_a_png_with_a_hole_is_damaged_and_not_read_chunk_by_chunk(tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(saved("PNG")[:33])
    os.truncate(path, 4 << 30)
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        decode(path)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0\x29", "JPEG 2000"),
        (b"<!DOCTYPE html><p>not found", "a web page"),
        (b"<html><p>not found", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
    ],
)
def test_what_is_no_photo_is_called_by_its_name(head, what):
    with pytest.raises(PhotoError, match=what):
        decode_bytes(head + bytes(100), "in.jpg")


def test_a_png_of_an_app_is_none_that_is_damaged():
    data = saved("PNG")
    body = b"CgBI\x50\x00\x20\x06"
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(PhotoError, match="Apple's Xcode"):
        decode_bytes(data[:8] + chunk + data[8:], "in.png")


def test_a_jpeg_that_tells_its_height_at_its_end_is_none_that_is_damaged():
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 2] = b"\0\0"
    with pytest.raises(PhotoError, match="height only at its end"):
        decode_bytes(bytes(data), "in.jpg")


def test_a_profile_of_which_a_segment_is_missing_is_reported():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    body = b"ICC_PROFILE\0\1\2" + profile
    segment = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    data = saved("JPEG")
    found = decode_bytes(data[:2] + segment + data[2:], "in.jpg")
    words = "its colour profile is incomplete, so the photo is taken for sRGB"
    assert found.warnings == (f"in.jpg: {words}",)
    assert not decode_bytes(saved("JPEG", icc_profile=profile), "in.jpg").warnings


def last_pass(data):
    return data.rfind(b"\xff\xda")


def test_a_progressive_jpeg_that_was_closed_too_early_is_reported():
    data = saved("JPEG", progressive=True)
    assert not decode_bytes(data, "in.jpg").warnings
    for cut in (data[: last_pass(data)], data[: last_pass(data[: last_pass(data)])]):
        found = decode_bytes(cut + b"\xff\xd9", "in.jpg")
        assert found.warnings == (f"in.jpg: {LACKS_PASSES}",)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_whole_jpegs_lack_no_pass(mode, subsampling):
    data = saved("JPEG", image().convert(mode), progressive=True, subsampling=subsampling)
    assert not any(LACKS_PASSES in words for words in decode_bytes(data, "in.jpg").warnings)


def two_pictures(kind):
    """A file of two pictures, of which the second is of a kind of CIPA DC-007."""
    data = saved("MPO", save_all=True, append_images=[image(48, 32)])
    at = data.index(b"MPF\0") + 4
    (entries,) = [
        struct.unpack_from("<I", data, at + 10 + 12 * n + 8)[0]
        for n in range(3)
        if struct.unpack_from("<H", data, at + 10 + 12 * n)[0] == 0xB002
    ]
    second = at + entries + 16
    return data[:second] + struct.pack("<I", kind) + data[second + 4 :]


@pytest.mark.parametrize("kind", [0x020001, 0x020002, 0x020003, 0x000000])
def test_a_second_picture_of_its_own_is_reported(kind):
    assert decode_bytes(two_pictures(kind), "in.jpg").warnings == (f"in.jpg: {PICTURES}",)


@pytest.mark.parametrize("kind", [0x010001, 0x010002])
def test_a_small_copy_for_screens_is_no_loss(kind):
    assert not decode_bytes(two_pictures(kind), "in.jpg").warnings


@pytest.mark.parametrize(
    "damage", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"]
)
def test_a_broken_index_of_pictures_costs_nothing(damage):
    body = b"MPF\0" + damage
    segment = b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    data = saved("JPEG")
    assert not decode_bytes(data[:2] + segment + data[2:], "in.jpg").warnings


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("grey", [True, False])
def test_floats_that_count_in_something_else_are_refused(tmp_path, white, grey):
    path = tmp_path / "in.tif"
    samples = np.asarray(image().convert("L" if grey else "RGB"), np.float32) * (white / 255)
    tifffile.imwrite(path, samples, photometric="minisblack" if grey else "rgb")
    with pytest.raises(InputError, match="0 is black and 1 is white"):
        decode(path)


def test_a_few_lights_above_white_are_none_of_those(tmp_path):
    path = tmp_path / "in.tif"
    samples = np.asarray(image(), np.float32) / 255
    samples[:20] = 40.0
    tifffile.imwrite(path, samples, photometric="rgb")
    assert decode(path).photo.pixels.max() == 40
