"""JPEG: all of it is there or it is refused; its comments; kinds that are taken, and are not."""

import struct
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps_client.cli import main
from ldrps_client.files import Format, Metadata, check_target, decode, encode
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_client.hotfolder.detect._rules import Rules
from ldrps_engine.errors import InternalError, PhotoError
from ldrps_engine.photo import Photo
from support.pictures import jpeg, natural


def write(path, data):
    path.write_bytes(data)
    return path


KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "subsampled": {"subsampling": 2},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
}


def pixels_from(data):
    """Return where the entropy-coded data of the first scan begins."""
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def zeros(data):
    start = pixels_from(data)
    at, size = start + (len(data) - start) // 3, (len(data) - start) // 3
    return data[:at] + bytes(size) + data[at + size :]


def removed(data):
    start = pixels_from(data)
    at, size = start + (len(data) - start) // 3, (len(data) - start) // 5
    return data[:at] + data[at + size :]


def closed(data):
    return data[: pixels_from(data) + (len(data) - pixels_from(data)) // 2] + b"\xff\xd9"


def ends_only(data):
    start = pixels_from(data) + 300
    return data[:start] + bytes(len(data) - start - 300) + data[-300:]


@pytest.mark.parametrize("wound", [zeros, removed, closed, ends_only])
@pytest.mark.parametrize("kind", KINDS)
def test_holes_and_cut_off_ends_are_damage(tmp_path, kind, wound):
    data = jpeg(**KINDS[kind])
    assert decode(write(tmp_path / "in.jpg", data)).photo.width == 320
    with pytest.raises(PhotoError, match="damaged or incomplete; copy it again"):
        decode(write(tmp_path / "in.jpg", wound(data)))


@pytest.mark.parametrize("added", [b"\0", bytes(12), bytes(3000), b"\xff" * 3000, b"\x55" * 9])
def test_padding_in_front_of_the_end_is_none(tmp_path, added):
    data = jpeg()
    padded = data[:-2] + added + data[-2:]
    found = decode(write(tmp_path / "in.jpg", padded)).photo.to_samples()
    assert np.array_equal(found, decode(write(tmp_path / "in.jpg", data)).photo.to_samples())


def test_what_follows_the_end_is_none(tmp_path):
    assert decode(write(tmp_path / "in.jpg", jpeg() + b"trailer" * 999)).warnings == ()


@pytest.mark.parametrize("tile", [None, (64, 64)])
def test_a_hole_in_a_jpeg_within_a_tiff(tmp_path, tile):
    values = np.rint(natural(240, 320) * 255).astype(np.uint8)
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, values, photometric="rgb", compression="jpeg", tile=tile)
    assert decode(path).photo.width == 320
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        size, start = max(zip(page.databytecounts, page.dataoffsets, strict=True))
    data = bytearray(path.read_bytes())
    data[start + size // 2 : start + size - 40] = bytes(size - 40 - size // 2)
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        decode(write(path, bytes(data)))


def test_a_tiff_of_which_a_strip_was_never_written(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.full((64, 64), 9, np.uint8), rowsperstrip=16, metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        counts = tiff.pages.first.tags[279]
    # The second of them.
    width = 2 if counts.dtype == 3 else 4
    at = counts.valueoffset + width
    data[at : at + width] = bytes(width)
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        decode(write(path, bytes(data)))


@pytest.mark.parametrize("comments", [(b"Z\xfcrich",), (b"one", b"two", b"one"), (b"\0\xff\0",)])
def test_comments_stay_to_the_byte(tmp_path, comments):
    segments = b"".join(b"\xff\xfe" + struct.pack(">H", len(c) + 2) + c for c in comments)
    data = jpeg()
    loaded = decode(write(tmp_path / "in.jpg", data[:2] + segments + data[2:]))
    assert loaded.metadata.comments == comments
    encode(tmp_path / "out.jpg", loaded.photo, like=loaded)
    assert decode(tmp_path / "out.jpg").metadata.comments == comments


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp", ".avif"])
def test_comments_in_latin_1_reach_other_kinds_as_text(tmp_path, ending):
    metadata = Metadata(comments=(b"Z\xfcrich", "Köln".encode()))
    out = tmp_path / f"out{ending}"
    encode(out, decode(write(tmp_path / "in.jpg", jpeg())).photo, metadata=metadata)
    back = decode(out).metadata
    if ending == ".png":
        assert back.texts == (("Comment", "Zürich"), ("Comment", "Köln"))
    else:
        name = Name("http://ns.adobe.com/exif/1.0/", "UserComment")
        assert Packet(back.xmp).items(name) == ["Zürich\nKöln"]


def test_pngs_texts_reach_xmp_where_there_is_no_other_place(tmp_path):
    metadata = Metadata(texts=(("Author", "Ada"), ("Title", "Brücke"), ("Comment", "c")))
    photo = decode(write(tmp_path / "in.jpg", jpeg())).photo
    encode(tmp_path / "out.jpg", photo, metadata=metadata)
    back = decode(tmp_path / "out.jpg").metadata
    packet, dc = Packet(back.xmp), "http://purl.org/dc/elements/1.1/"
    assert packet.items(Name(dc, "creator")) == ["Ada"]
    assert packet.items(Name(dc, "title")) == ["Brücke"]
    assert back.comments == (b"c",)


def test_a_comment_longer_than_a_segment_goes_on_in_the_next(tmp_path):
    long = b"a" * 100_000
    photo = decode(write(tmp_path / "in.jpg", jpeg())).photo
    encode(tmp_path / "out.jpg", photo, metadata=Metadata(comments=(long,)))
    assert b"".join(decode(tmp_path / "out.jpg").metadata.comments) == long


ENDINGS = [".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".JFIF"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_of_a_jpeg(tmp_path, address, ending):
    photo = write(tmp_path / f"in{ending}", jpeg((64, 48)))
    assert Rules().takes_file(photo.name)
    assert Rules(include=(f"*{ending}",)).takes_file(photo.name)
    check_target(tmp_path / f"new{ending}")
    assert main(["restore", str(photo)]) == 0
    assert decode(tmp_path / f"in_restored{ending}").format is Format.JPEG


def test_a_lossless_jpeg_is_read(tmp_path):
    values = np.rint(natural(48, 64) * 255).astype(np.uint8)
    path = write(tmp_path / "in.jpg", imagecodecs.jpeg8_encode(values, lossless=True))
    assert np.array_equal(decode(path).photo.to_samples(), values)


def frame(marker=0xC0, bits=8, layers=3):
    """A sound JPEG that says to be of another kind."""
    data = bytearray(jpeg((64, 48)))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 9] = marker, bits, layers
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (imagecodecs.ljpeg_encode(np.zeros((64, 64), np.uint16)), "a JPEG of"),
        (imagecodecs.jpeg8_encode(np.zeros((64, 64, 3), np.uint16), bitspersample=12), "12 bits"),
        (frame(marker=0xC5), "several sizes"),
        (frame(layers=2), "2 channels"),
    ],
)
def test_kinds_that_are_not_taken_are_called_so(tmp_path, data, words):
    with pytest.raises(PhotoError, match=words) as caught:
        decode(write(tmp_path / "in.jpg", data))
    assert "damaged" not in str(caught.value)


def test_a_missing_part_of_the_program_is_no_damage(tmp_path, monkeypatch):
    path = write(tmp_path / "in.jpg", jpeg((64, 48)))
    monkeypatch.setitem(sys.modules, "ldrps_client.files.codecs._pillow", None)
    with pytest.raises(InternalError, match="a library that reads it cannot be loaded"):
        decode(path)


def test_what_a_decoder_does_not_know_is_no_damage(tmp_path, monkeypatch):
    def unsupported(*_):
        raise ValueError("compression 12345 is not supported")

    monkeypatch.setattr("ldrps_client.files.codecs._pillow.check_kind", unsupported)
    with pytest.raises(PhotoError, match="of a kind that we do not take") as caught:
        decode(write(tmp_path / "in.jpg", jpeg((64, 48))))
    assert "damaged" not in str(caught.value)


def test_a_cmyk_jpeg_is_written_as_rgb(tmp_path):
    loaded = decode(write(tmp_path / "in.jpg", jpeg(mode="CMYK")))
    assert "without a profile" in loaded.warnings[0]
    encode(tmp_path / "out.jpg", Photo.from_samples(loaded.photo.to_samples()), like=loaded)
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "RGB"
