"""Videos, gain maps and pictures beside a photo are not carried over, and nothing claims them."""

import io

import numpy as np
import pytest
from PIL import Image

from ldrps_client.files import Metadata, decode, encode
from ldrps_client.files.metadata._companions import without_companions
from ldrps_client.files.metadata._packet import Name, Packet, in_utf8
from ldrps_engine.photo import Photo

SPACES = {
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "GAudio": "http://ns.google.com/photos/1.0/audio/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "HDRGainMap": "http://ns.apple.com/HDRGainMap/1.0/",
    "Device": "http://ns.google.com/photos/dd/1.0/device/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
DECLARED = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
ITEMS = """<Container:Directory><rdf:Seq>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/>
</rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg"
Item:Semantic="{semantic}" Item:Length="2028"/></rdf:li></rdf:Seq></Container:Directory>"""
VIDEO = "the video in it is not carried over"
GAIN_MAP = "its gain map for HDR is not carried over; the result is SDR"


def packet(attributes, inside=""):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        f'syntax-ns#"><rdf:Description rdf:about="" {DECLARED} xmp:Rating="4" {attributes}>'
        f"{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


CASES = {
    "motion": ('GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"', "", [VIDEO]),
    "micro": ('GCamera:MicroVideo="1" GCamera:MicroVideoOffset="2028"', "", [VIDEO]),
    "items": ("", ITEMS.format(semantic="MotionPhoto"), [VIDEO]),
    "ultra-hdr": ('hdrgm:Version="1.0"', ITEMS.format(semantic="GainMap"), [GAIN_MAP]),
    "apple": ('HDRGainMap:HDRGainMapVersion="65536"', "", [GAIN_MAP]),
    "depth": ('GDepth:Near="1.5"', "", ["its depth map is not carried over"]),
    "image": ('GImage:Mime="image/jpeg"', "", ["further pictures in it are not carried over"]),
    "sound": ('GAudio:Mime="audio/mp4"', "", ["the sound in it is not carried over"]),
    "device": ("", "<Device:Profiles>x</Device:Profiles>", []),
    "thumbnails": ("", "<xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails>", []),
    "no video": ('GCamera:MotionPhoto="0" GCamera:MicroVideo="0"', "", []),
}


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".avif", ".tif"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_claims_what_did_not_come_along(tmp_path, pixels, case, ending):
    attributes, inside, words = CASES[case]
    path = tmp_path / f"in{ending}"
    xmp = packet(attributes, inside)
    encode(path, Photo.from_samples(pixels), metadata=Metadata(xmp=xmp))
    loaded = decode(path)
    assert loaded.warnings == tuple(f"{path}: {word}" for word in words)
    encode(tmp_path / f"out{ending}", loaded.photo, like=loaded)
    names = Packet(decode(tmp_path / f"out{ending}").metadata.xmp).names()
    assert names == {Name(SPACES["xmp"], "Rating")}


def test_what_is_of_the_photo_itself_stays():
    xmp = packet('GPano:ProjectionType="cylindrical" GCamera:BurstID="b" dc:format="image/jpeg"')
    assert without_companions(xmp) == (xmp, ())


def test_a_gain_map_and_a_video_without_a_word_in_xmp(tmp_path, pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    data = buffer.getvalue()
    body = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    segment = b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body
    path = tmp_path / "in.jpg"
    path.write_bytes(data[:2] + segment + data[2:] + b"MotionPhoto_Data\0\0\0\x18ftypmp42")
    assert decode(path).warnings == (f"{path}: {GAIN_MAP}", f"{path}: {VIDEO}")


@pytest.mark.parametrize(("ending", "kind"), [(".png", "image/png"), (".jfif", "image/jpeg")])
def test_a_result_says_its_own_kind(tmp_path, pixels, ending, kind):
    out = tmp_path / f"out{ending}"
    xmp = packet('dc:format="image/x-canon-cr2"')
    encode(out, Photo.from_samples(pixels), metadata=Metadata(xmp=xmp))
    found = Packet(decode(out).metadata.xmp)
    assert found.text(Name(SPACES["dc"], "format")) == kind
    assert found.text(Name(SPACES["xmp"], "Rating")) == "4"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("padding", [0, 3])
def test_a_packet_in_any_of_its_encodings(encoding, marked, declared, padding):
    head = '<?xml version="1.0" encoding="UTF-16"?>\n' if declared and encoding != "utf-8" else ""
    text = ("\ufeff" if marked else "") + head + packet('dc:format="Brücke"').decode()
    data = text.encode(encoding) + "\0".encode(encoding) * padding
    assert Packet(data).text(Name(SPACES["dc"], "format")) == "Brücke"
    assert not Packet(data).is_broken


def test_a_packet_that_ends_in_the_middle_of_a_letter():
    data = packet("").decode().encode("utf-16-le")
    assert in_utf8(data[:-1])
    assert Packet(data[:101]).is_broken
    assert not Packet(b"\0\0").is_broken


def test_the_pixels_of_a_photo_with_a_video_are_its_own(tmp_path, pixels):
    path = tmp_path / "in.jpg"
    Image.fromarray(pixels).save(path, xmp=packet('GCamera:MotionPhoto="1"'))
    alone = np.asarray(Image.open(io.BytesIO(path.read_bytes())))
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(2000))
    assert np.array_equal(decode(path).photo.to_samples(), alone)
