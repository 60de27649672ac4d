"""Files that cannot be restored, with the exit code and a part of the sentence for each."""

import io
import os
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

PHOTO, LIMIT = 3, 4


def _image(mode="RGB", size=(64, 48)):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def _bytes(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _frames(kind):
    frames = [_image(size=(64, 48)), Image.new("RGB", (64, 48))]
    return _bytes(frames[0], kind, save_all=True, append_images=frames[1:])


def _tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def _lying_png(width, height):
    """Says that it is large and holds next to nothing: a decompression bomb's header."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + rest


def _lying_jpeg(width, height):
    data = bytearray(_bytes(_image(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _lying_tiff(width, height):
    data = bytearray(_tiff(np.zeros((48, 64, 3), np.uint8), photometric="rgb"))
    for tag, value in ((256, width), (257, height)):
        at = data.index(struct.pack("<HHI", tag, 4, 1)) + 8
        data[at : at + 4] = struct.pack("<I", value)
    return bytes(data)


def _half(data):
    return data[: len(data) // 2]


def _pages():
    return _tiff(np.zeros((2, 32, 32, 3), np.uint8), photometric="rgb")


def _not_finite(value):
    array = np.zeros((32, 32, 3), np.float32)
    array[9, 7, 1] = value
    return _tiff(array, photometric="rgb")


BAD = {
    "empty.jpg": (lambda: b"", PHOTO, "is empty"),
    "text.jpg": (lambda: b"dear diary, today", PHOTO, "not a photo we can read"),
    "magic-only.jpg": (lambda: b"\xff\xd8\xff", PHOTO, "damaged or incomplete"),
    "truncated.jpg": (lambda: _half(_bytes(_image(), "JPEG")), PHOTO, "damaged or incomplete"),
    "truncated.png": (lambda: _half(_bytes(_image(), "PNG")), PHOTO, "damaged or incomplete"),
    "truncated.webp": (lambda: _half(_bytes(_image(), "WEBP")), PHOTO, "damaged or incomplete"),
    "truncated.avif": (lambda: _half(_bytes(_image(), "AVIF")), PHOTO, "damaged or incomplete"),
    "truncated.tif": (
        lambda: _half(_tiff(np.zeros((64, 64, 3), np.uint8), photometric="rgb")),
        PHOTO,
        "incomplete",
    ),
    "truncated16.png": (
        lambda: _half(_bytes(Image.fromarray(np.arange(4096, dtype="u2").reshape(64, 64)), "PNG")),
        PHOTO,
        "damaged or incomplete",
    ),
    "animated.gif": (lambda: _frames("GIF"), PHOTO, "export one frame as PNG"),
    "animated.webp": (lambda: _frames("WEBP"), PHOTO, "animated"),
    "animated.png": (lambda: _frames("PNG"), PHOTO, "animated"),
    "bilevel.png": (lambda: _bytes(_image("1"), "PNG"), PHOTO, "without greys"),
    "bilevel.tif": (lambda: _bytes(_image("1"), "TIFF"), PHOTO, "1-bit"),
    "lab.tif": (lambda: _bytes(_image("LAB"), "TIFF"), PHOTO, "CIELAB"),
    "pages.tif": (_pages, PHOTO, "2 pages"),
    "channels.tif": (
        lambda: _tiff(np.zeros((32, 32, 6), np.uint8), photometric="rgb", planarconfig="contig"),
        PHOTO,
        "6 channels",
    ),
    "integers.tif": (lambda: _tiff(np.zeros((32, 32), np.int32)), PHOTO, "32-bit int32"),
    "nan.tif": (lambda: _not_finite(np.nan), PHOTO, "NaN"),
    "infinite.tif": (lambda: _not_finite(-np.inf), PHOTO, "infinity"),
    "1x1.png": (lambda: _bytes(_image(size=(1, 1)), "PNG"), LIMIT, "1x1"),
    "1x5000.jpg": (lambda: _bytes(_image(size=(1, 5000)), "JPEG"), LIMIT, "1x5000"),
    "thin.png": (lambda: _bytes(_image(size=(16, 5000)), "PNG"), LIMIT, "64-fold"),
    "huge.png": (lambda: _lying_png(20_000, 20_000), LIMIT, "megapixels"),
    "large.png": (lambda: _lying_png(12_000, 10_000), LIMIT, "100 megapixels"),
    "wide.png": (lambda: _lying_png(70_000, 1_400), LIMIT, "65535 pixels a side"),
    "wide.tif": (lambda: _lying_tiff(65_536, 1_400), LIMIT, "65535 pixels a side"),
    "huge.tif": (lambda: _lying_tiff(2**31, 2**31), LIMIT, "megapixels"),
    "huge.jpg": (lambda: _lying_jpeg(65_535, 65_535), LIMIT, "megapixels"),
    "wide.jpg": (lambda: _lying_jpeg(65_535, 2_000), LIMIT, "100 megapixels"),
    "nothing.png": (lambda: _lying_png(0, 64), PHOTO, "damaged"),
    "nothing.tif": (lambda: _lying_tiff(0, 64), LIMIT, "0x64"),
    "nothing.jpg": (lambda: _lying_jpeg(0, 64), PHOTO, "damaged"),
    "scan.pdf": (lambda: b"%PDF-1.7", PHOTO, "PDF"),
}


def write(name, folder):
    """Write a bad photo; returns its path."""
    make, _, _ = BAD[name]
    path = folder / name
    path.write_bytes(make())
    return path


def pipe(folder):
    """A named pipe that nobody writes to."""
    path = folder / "pipe.jpg"
    os.mkfifo(path)
    return path
