"""PNG's chunks: any text is as good as any other, whatever it is called and however long."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ldrps_client.files import decode, encode
from ldrps_client.files.metadata._embedded import embedded_xmp
from ldrps_engine.errors import PhotoError

# What Pillow and others note under the same names.
NAMES = [
    *("comment", "transparency", "icc_profile", "dpi", "gamma", "exif", "xmp", "photoshop"),
    *("interlace", "background", "srgb", "chromaticity", "aspect", "loop", "duration", "bbox"),
    *("default_image", "blend", "disposal", "timestamp", "progressive", "Comment", "text"),
]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path, pixels, before=b"", after=b""):
    Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + before + data[33:-12] + after + data[-12:])
    return path


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
def test_texts_of_any_name(tmp_path, pixels, name, where):
    text = chunk(b"tEXt", name.encode() + b"\0scan 12, \xe9")
    loaded = decode(png(tmp_path / "in.png", pixels, **{where: text}))
    assert np.array_equal(loaded.photo.to_samples(), pixels)
    assert loaded.photo.icc_profile == b""
    assert loaded.metadata.texts == ((name, "scan 12, é"),)
    assert (loaded.metadata.exif, loaded.metadata.xmp, loaded.metadata.iptc) == (b"", b"", b"")
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    assert decode(tmp_path / "out.png").metadata.texts == loaded.metadata.texts


def test_texts_of_one_name_are_all_kept_in_order(tmp_path, pixels):
    texts = b"".join(chunk(b"tEXt", b"Comment\0" + word) for word in (b"one", b"two", b"one"))
    loaded = decode(png(tmp_path / "in.png", pixels, texts))
    for name in ("out.png", "out.jpg"):
        encode(tmp_path / name, loaded.photo, like=loaded)
    said = decode(tmp_path / "out.png").metadata.texts
    assert said == (("Comment", "one"), ("Comment", "two"), ("Comment", "one"))
    assert decode(tmp_path / "out.jpg").metadata.comments == (b"one", b"two", b"one")


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "iCCP", "eXIf"])
def test_what_unpacks_to_several_megabytes(tmp_path, pixels, kind):
    body = b"n" * 3_000_000
    packed = zlib.compress(body)
    data = {
        "zTXt": b"workflow\0\0" + packed,
        "iTXt": b"workflow\0\1\0\0\0" + packed,
        "iCCP": b"large\0\0" + zlib.compress(_profile(len(body))),
        "eXIf": b"II*\0\x08\0\0\0\0\0\0\0\0\0" + body,
    }[kind]
    loaded = decode(png(tmp_path / "in.png", pixels, chunk(kind.encode(), data)))
    assert loaded.warnings == ()
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    back = decode(tmp_path / "out.png")
    assert back.photo.icc_profile == loaded.photo.icc_profile
    assert back.metadata == loaded.metadata
    held = len(back.photo.icc_profile) if kind == "iCCP" else len(back.metadata.exif)
    assert held >= 3_000_000 if kind[0] in "ie" and kind != "iTXt" else back.metadata.texts


def _profile(size):
    from support import profiles

    small = profiles.KNOWN["display-p3"]
    return struct.pack(">I", size) + small[4:] + bytes(size - len(small))


def test_xmp_of_several_megabytes_and_packed(tmp_path, pixels):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!--' + b"n" * 2_000_000 + b"--></x:xmpmeta>"
    data = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)
    path = png(tmp_path / "in.png", pixels, chunk(b"iTXt", data))
    assert decode(path).metadata.xmp == xmp
    assert embedded_xmp(path) == xmp


def test_a_bomb_of_a_text_is_left_out_and_said(tmp_path, pixels):
    bomb = chunk(b"zTXt", b"big\0\0" + zlib.compress(bytes(200_000_000)))
    loaded = decode(png(tmp_path / "in.png", pixels, bomb))
    assert "text 'big' is damaged or too large; left out" in loaded.warnings[0]
    assert loaded.metadata.texts == ()


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"pHYs", b"juNk"])
def test_a_damaged_block_beside_the_pixels_costs_that_block(tmp_path, pixels, kind):
    broken = bytearray(chunk(kind, b"Comment\0\0x\x9c nonsense"))
    broken[-1] ^= 1
    loaded = decode(png(tmp_path / "in.png", pixels, bytes(broken)))
    assert np.array_equal(loaded.photo.to_samples(), pixels)
    assert f"block '{kind.decode()}' is damaged and left out" in loaded.warnings[0]


@pytest.mark.parametrize("depth", [8, 16])
def test_one_wrong_bit_in_the_pixels_is_damage(tmp_path, pixels, depth):
    given = pixels if depth == 8 else pixels[..., 0].astype(np.uint16) * 257
    path = png(tmp_path / "in.png", given)
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 30
    for bit in range(8):
        data[at] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(PhotoError, match="damaged or incomplete"):
            decode(path)
        data[at] ^= 1 << bit


def test_what_other_programs_wrapped_in_text(tmp_path, pixels):
    """ImageMagick's way of keeping EXIF and XMP, from before PNG had places for them."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    body = f"\nxmp\n{len(xmp):8d}\n{xmp.hex()}\n".encode()
    text = chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(body))
    assert decode(png(tmp_path / "in.png", pixels, text)).metadata.xmp == xmp


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_palettes_become_colours(tmp_path, pixels, colours, transparent):
    few = Image.fromarray(pixels).quantize(colours)
    options = {"transparency": 0} if transparent else {}
    few.save(tmp_path / "in.png", **options)
    with Image.open(tmp_path / "in.png") as image:
        wanted = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    loaded = decode(tmp_path / "in.png")
    assert np.array_equal(loaded.photo.to_samples(), wanted)
    assert "it has a palette of few colours; the result is in full colour" in loaded.warnings[0]
