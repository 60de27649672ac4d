"""Photos as Python people hold them, and the refusals of everything else."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps_client.files import decode
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import PhotoError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def back(client, photo):
    return client.restore(photo).photo.to_samples()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_the_bytes_of_a_file(client, photo, pixels, kind):
    assert (back(client, kind(photo.read_bytes())) == 255 - pixels).all()


def test_an_open_file_and_a_path(client, photo, pixels):
    with photo.open("rb") as file:
        assert (back(client, file) == 255 - pixels).all()
    assert (back(client, str(photo)) == 255 - pixels).all()
    assert (back(client, photo) == 255 - pixels).all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_pil_image(client, pixels, mode):
    image = Image.fromarray(pixels).convert(mode)
    given = np.asarray(image).reshape(48, 64, -1)
    made = back(client, image)
    colours = 1 if mode[0] == "L" else 3
    assert (made[..., :colours] == 255 - given[..., :colours]).all()
    assert (made[..., colours:] == given[..., colours:]).all()


def test_sixteen_bits_of_a_pil_image(client):
    given = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    made = back(client, Image.fromarray(given))
    assert (made[..., 0] == 65535 - given).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_a_pil_image_brings_what_its_file_held(client, pixels, tmp_path, kind):
    """Turned by its orientation, as a viewer shows it, with maker, profile and XMP."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A maker of cameras", 6
    source = tmp_path / f"in.{kind.lower()}"
    Image.fromarray(pixels).save(source, kind, exif=exif, icc_profile=SRGB, dpi=(300, 300))
    with Image.open(source) as image:
        result = client.restore(image)
    assert (result.photo.width, result.photo.height) == (48, 64)
    result.save(tmp_path / "out.png")
    saved = decode(tmp_path / "out.png")
    assert b"A maker of cameras" in saved.metadata.exif
    assert saved.photo.icc_profile == SRGB
    # It came from no file that could be named.
    assert read_mark(tmp_path / "out.png").derived_from.path == ""


def test_floats_of_any_precision(client):
    given = np.random.default_rng(1).random((48, 64, 3))
    for dtype in (np.float16, np.float32, np.float64):
        made = back(client, given.astype(dtype))
        assert np.abs(made.astype(float) - (1 - given)).max() < 2e-3


def text_file(folder):
    path = folder / "text"
    path.write_text("words")
    return path.open()


def closed_file(folder):
    file = io.BytesIO(b"x")
    file.close()
    return file


def at_its_end(folder):
    file = io.BytesIO(b"x" * 99)
    file.seek(99)
    return file


def truncated(folder):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8)).save(
        buffer, "JPEG"
    )
    return Image.open(io.BytesIO(buffer.getvalue()[:2000]))


GRADIENT = np.linspace(0, 1, 48 * 64 * 3, dtype=np.float32).reshape(48, 64, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: GRADIENT * 255, r"floats run from 0 to 255, .* divide them by .* 255"),
        (lambda _: (GRADIENT * 65535).astype(np.float64), r"run from 0 to 65535, .* divide"),
        (lambda _: GRADIENT * 1.2 - 0.1, r"run from -0\.1 to 1\.1, .* numpy\.clip"),
        (lambda _: GRADIENT * np.nan, "NaN"),
        (lambda _: (GRADIENT * 255).astype(np.int64), "samples are int64"),
        (lambda _: GRADIENT > 0.5, "samples are bool"),
        (lambda _: np.moveaxis(GRADIENT, 2, 0), r"shape \(3, 48, 64\)"),
        (lambda _: np.ma.masked_array(GRADIENT), r"masked.* array\.filled"),
        (lambda _: None, "NoneType is no photo; give a path"),
        (lambda _: 7, "int is no photo"),
        (lambda _: [GRADIENT], "list is no photo"),
        (lambda _: b"", "bytes are empty"),
        (lambda _: b"in.jpg", "the bytes: the file is not a photo we can read"),
        (lambda _: Image.new("P", (48, 64)), r"mode P is not taken; .*convert\('RGB'\)"),
        (lambda _: Image.new("CMYK", (48, 64)), "mode CMYK is not taken"),
        (lambda _: Image.new("F", (48, 64)), "mode F is not taken; .*floats from 0 to 1"),
        (lambda _: Image.new("I", (48, 64)), "mode I is not taken; .*uint16"),
        (lambda _: Image.new("LAB", (48, 64)), "mode LAB is not taken; .*ImageCms"),
        (truncated, "PIL image cannot be read: image file is truncated"),
        (text_file, "gives str, not bytes; open it with 'rb'"),
        (closed_file, "cannot be read: I/O operation on closed file"),
        (at_its_end, r"nothing to read; go back to its start with seek\(0\)"),
    ],
)
@pytest.mark.parametrize("method", ["restore", "submit"])
def test_what_is_no_photo_is_refused_in_a_sentence(client, tmp_path, method, make, words):
    given = make(tmp_path)
    try:
        with pytest.raises(PhotoError, match=words) as caught:
            getattr(client, method)(given)
    finally:
        if hasattr(given, "close"):
            given.close()
    assert "\n" not in str(caught.value)


def test_a_result_can_be_had_as_bytes(client, pixels):
    result = client.restore(pixels)
    for kind in ("PNG", "TIFF"):
        data = io.BytesIO(result.to_bytes(kind))
        assert (back(client, data) == pixels).all(), kind
