"""Everything but the pixels of a photo, compared with exiftool, which reads all of it."""

import io
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from ldrps_client.files import Metadata, decode, encode
from ldrps_client.files.metadata._ifd import Directory, Entry, read, structure
from ldrps_client.files.metadata._iptc import into_xmp
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_engine.photo import Depth, Photo
from support import profiles

KINDS = ["jpg", "png", "tif", "webp", "avif"]
MAKE, EXIF, MAKER_NOTE, WIDTH, HEIGHT = 271, 34665, 37500, 0xA002, 0xA003
needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is missing")


def words(text):
    return text.split()


WRITTEN = words("""
    EXIF:Make=Kamera EXIF:Model=K1 EXIF:ExposureTime=1/125 EXIF:FNumber=2.8 EXIF:ISO=400
    EXIF:DateTimeOriginal=2020:01:02_03:04:05 EXIF:OffsetTimeOriginal=+02:00
    EXIF:SubSecTimeOriginal=123 EXIF:GPSLatitude=48.2 EXIF:GPSLatitudeRef=N
    EXIF:GPSLongitude=16.4 EXIF:GPSLongitudeRef=E EXIF:Artist=Ada EXIF:Copyright=Ada
    EXIF:ImageDescription=Brücke EXIF:UserComment=ä EXIF:LensModel=50mm EXIF:XPTitle=Brücke
    EXIF:Rating=4 EXIF:ImageUniqueID=abcd EXIF:InteropIndex=R98
    XMP-dc:Subject=bridge XMP-dc:Subject=river XMP-xmp:Rating=4 XMP-photoshop:City=Graz
    XMP-dc:Title=Bridge XMP-crs:Version=1
""")
IPTC = words("IPTC:Keywords=bridge IPTC:Keywords=river IPTC:By-line=Ada IPTC:City=Graz")
# What describes the file and not the photo.
OF_THE_FILE = (
    "ExifTool",
    "System",
    "File",
    "SourceFile",
    "JFIF",
    "RIFF",
    "QuickTime",
    "Meta",
    "Composite",
)
OF_THE_PIXELS = {
    *("ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation"),
    *("StripOffsets", "SamplesPerPixel", "RowsPerStrip", "StripByteCounts", "YCbCrPositioning"),
    *("PlanarConfiguration", "XMPToolkit"),
}


def tags(path):
    command = ["exiftool", "-j", "-G1", "-n", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    found = json.loads(done.stdout)[0]
    return {
        name: value
        for name, value in found.items()
        if not name.startswith((*OF_THE_FILE, "Track", "PNG", "ICC-header:ProfileDate"))
        and name.split(":")[-1] not in OF_THE_PIXELS
    }


def noise(size=(48, 64)):
    return np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """One photo in every kind, with all that exiftool can put into it."""
    folder = tmp_path_factory.mktemp("sources")
    for kind in KINDS:
        path = folder / f"in.{kind}"
        Image.fromarray(noise()).save(path, icc_profile=profiles.KNOWN["adobe-rgb"], dpi=(240, 240))
        written = WRITTEN + (IPTC if kind in ("jpg", "png", "tif") else [])
        written += ["Comment=said"] if kind == "jpg" else []
        written += ["PNG:Author=Ada"] if kind == "png" else []
        options = [f"-{text.replace('_', ' ')}" for text in written]
        command = ["exiftool", "-q", "-m", "-overwrite_original", *options, str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@needs_exiftool
@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_nothing_is_lost_and_nothing_changed(sources, tmp_path, source, target):
    loaded = decode(sources / f"in.{source}")
    out = tmp_path / f"out.{target}"
    encode(out, loaded.photo, like=loaded)
    before, after = tags(loaded.path), tags(out)
    if target in ("webp", "avif"):
        # They have no place for IPTC's own records, whose texts are in the XMP.
        before = {name: value for name, value in before.items() if "IPTC" not in name}
        if source in ("jpg", "png", "tif"):
            assert after["XMP-dc:Creator"] == "Ada"
    if source == "png":
        # The file's own resolution wins over the one that exiftool put into the EXIF.
        before = {name: v for name, v in before.items() if not name.endswith("Resolution")}
    assert {name: after.get(name) for name in before} == before


@needs_exiftool
def test_comments(sources, tmp_path):
    loaded = decode(sources / "in.png")
    encode(tmp_path / "out.png", loaded.photo, like=loaded)
    assert decode(tmp_path / "out.png").metadata.texts == (("Author", "Ada"),)
    loaded = decode(sources / "in.jpg")
    for name in ("out.jpg", "comment.png"):
        encode(tmp_path / name, loaded.photo, like=loaded)
    assert decode(tmp_path / "out.jpg").metadata.comments == (b"said",)
    assert decode(tmp_path / "comment.png").metadata.texts == (("Comment", "said"),)


@needs_exiftool
def test_thumbnails_of_the_photo_before_are_gone(sources, tmp_path):
    small = tmp_path / "small.jpg"
    Image.fromarray(noise((24, 32))).save(small)
    source = tmp_path / "in.jpg"
    shutil.copy(sources / "in.jpg", source)
    options = [f"-{tag}<={small}" for tag in ("ThumbnailImage", "PhotoshopThumbnail")]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *options, source], check=True)
    assert {"IFD1:ThumbnailImage", "Photoshop:PhotoshopThumbnail"} <= tags(source).keys()
    loaded = decode(source)
    encode(tmp_path / "out.jpg", loaded.photo, like=loaded)
    assert not [name for name in tags(tmp_path / "out.jpg") if "humbnail" in name]
    # Not only unlinked: no bytes of it are left.
    picture = small.read_bytes()[-200:]
    assert picture in source.read_bytes()
    assert picture not in (tmp_path / "out.jpg").read_bytes()


def exif_with(order="<", note=b"", orientation=1, size=(64, 48)):
    number = f"{order}H"
    inner = {
        WIDTH: Entry(3, 1, struct.pack(number, size[0])),
        HEIGHT: Entry(3, 1, struct.pack(number, size[1])),
    }
    if note:
        inner[MAKER_NOTE] = Entry(7, len(note), note)
    entries = {MAKE: Entry(2, 7, b"Kamera\0"), 274: Entry(3, 1, struct.pack(number, orientation))}
    return structure(Directory(order, entries, {EXIF: Directory(order, inner)}))


def carried(path, exif, target):
    """A photo with this EXIF, read and written; the EXIF of what was written."""
    Image.fromarray(noise()).save(path, exif=b"Exif\0\0" + exif)
    loaded = decode(path)
    encode(target, loaded.photo, like=loaded)
    return read(io.BytesIO(decode(target).metadata.exif))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("target", KINDS)
def test_makers_notes_arrive_as_they_left(tmp_path, order, target):
    note = bytes(range(256)) * 9
    found = carried(tmp_path / "in.jpg", exif_with(order, note), tmp_path / f"out.{target}")
    assert found.order == order
    assert found.children[EXIF].entries[MAKER_NOTE].data == note
    assert found.entries[MAKE].data == b"Kamera\0"


def test_a_turned_photo_says_its_new_size(tmp_path):
    found = carried(tmp_path / "in.jpg", exif_with(orientation=6), tmp_path / "out.jpg")
    assert found.number(274) == 1
    sizes = [found.children[EXIF].number(tag) for tag in (WIDTH, HEIGHT)]
    assert sizes == [48, 64]


def test_exif_that_a_jpeg_cannot_hold_loses_the_makers_notes_only(tmp_path):
    exif = exif_with(note=bytes(70_000))
    loaded = Metadata(exif=exif)
    encode(tmp_path / "out.jpg", Photo.from_samples(noise()), metadata=loaded)
    found = read(io.BytesIO(decode(tmp_path / "out.jpg").metadata.exif))
    assert MAKER_NOTE not in found.children[EXIF].entries
    assert found.entries[MAKE].data == b"Kamera\0"


def test_exif_in_a_big_tiff(tmp_path):
    path = tmp_path / "in.tif"
    make = [(MAKE, 2, 7, b"Kamera\0", True)]
    tifffile.imwrite(path, noise(), photometric="rgb", bigtiff=True, byteorder=">", extratags=make)
    found = read(io.BytesIO(decode(path).metadata.exif))
    assert found.entries[MAKE].data == b"Kamera\0"


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_the_resolution_goes_where_files_have_no_place_for_it(tmp_path, kind):
    metadata = Metadata(dpi=(300.0, 150.0))
    encode(tmp_path / f"out.{kind}", Photo.from_samples(noise()), metadata=metadata)
    assert decode(tmp_path / f"out.{kind}").metadata.dpi == pytest.approx((300, 150))


def turned_by_xmp(orientation):
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
        b'rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        b' tiff:Orientation="%d" tiff:ImageWidth="64"/></rdf:RDF></x:xmpmeta>' % orientation
    )


@pytest.mark.parametrize("in_exif", [True, False])
def test_orientation_is_applied_or_kept_and_never_both(tmp_path, in_exif):
    path = tmp_path / "in.jpg"
    exif = b"Exif\0\0" + exif_with(orientation=6) if in_exif else b""
    Image.fromarray(noise()).save(path, exif=exif, xmp=turned_by_xmp(6))
    loaded = decode(path)
    said = Packet(loaded.metadata.xmp).text(Name("http://ns.adobe.com/tiff/1.0/", "Orientation"))
    assert (loaded.photo.width, said) == ((48, "") if in_exif else (64, "6"))


def record(number, text):
    data = text.encode("latin-1")
    return struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data


def test_iptc_becomes_xmp_that_leaves_alone_what_was_said():
    iptc = record(5, "Brücke") + record(25, "a") + record(25, "b") + record(80, "Ada")
    iptc += record(55, "20200102") + record(60, "030405+0200") + record(90, "Graz")
    packet = Packet(into_xmp(turned_by_xmp(1), iptc))
    dc = "http://purl.org/dc/elements/1.1/"
    assert packet.items(Name(dc, "subject")) == ["a", "b"]
    assert packet.items(Name(dc, "title")) == ["Brücke"]
    photoshop = "http://ns.adobe.com/photoshop/1.0/"
    assert packet.text(Name(photoshop, "DateCreated")) == "2020-01-02T03:04:05+02:00"
    again = Packet(into_xmp(packet.to_bytes(), record(90, "Wien") + record(80, "Eve")))
    assert again.text(Name(photoshop, "City")) == "Graz"
    assert again.items(Name(dc, "creator")) == ["Ada"]


@pytest.mark.parametrize(
    "iptc", [b"\x1c", b"\x1c\x02\x05\xff\xff", b"rubbish", record(25, "a")[:-1]]
)
def test_broken_iptc_costs_no_pixel(tmp_path, iptc):
    for kind in KINDS:
        whole, found = saved(tmp_path, kind, Metadata()), saved(tmp_path, kind, Metadata(iptc=iptc))
        assert np.array_equal(found.photo.to_samples(), whole.photo.to_samples()), kind


def saved(folder, kind, metadata):
    """A photo that was written with some metadata, read back."""
    path = folder / f"out.{kind}"
    encode(path, Photo.from_samples(noise()), metadata=metadata, force=True)
    return decode(path)


@pytest.mark.parametrize("kind", KINDS)
def test_exif_with_pointers_in_circles_costs_no_pixel(tmp_path, kind):
    """Directories that lead to themselves, and values that claim the file many times over."""
    exif = bytearray(exif_with())
    at = exif.index(struct.pack("<H", EXIF))
    exif[at + 8 : at + 12] = struct.pack("<I", 8)
    whole = saved(tmp_path, kind, Metadata())
    found = saved(tmp_path, kind, Metadata(exif=bytes(exif)))
    assert np.array_equal(found.photo.to_samples(), whole.photo.to_samples())


def test_deep_photos_too(tmp_path):
    """16-bit PNG and float TIFF take other ways through the libraries."""
    metadata = Metadata(exif=exif_with(">"), iptc=record(25, "a"), texts=(("Comment", "c"),))
    for ending, depth in ((".png", Depth.U16), (".tif", Depth.F32)):
        values = np.random.default_rng(0).random((48, 64, 3)) * depth.peak
        photo = Photo.from_samples(values.astype(depth.dtype), profiles.KNOWN["prophoto"])
        encode(tmp_path / f"out{ending}", photo, metadata=metadata)
        back = decode(tmp_path / f"out{ending}")
        assert np.array_equal(back.photo.to_samples(), photo.to_samples())
        assert back.photo.icc_profile == profiles.KNOWN["prophoto"]
        assert back.metadata.iptc == metadata.iptc
        assert read(io.BytesIO(back.metadata.exif)).entries[MAKE].data == b"Kamera\0"
