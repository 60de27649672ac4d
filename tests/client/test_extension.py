"""XMP of more than a segment, as editors with many adjustments write it, is read whole."""

import hashlib
import struct

import numpy as np
import pytest
from PIL import Image

from ldrps_client.files import decode, encode
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_client.provenance import sidecar_for

DC = "http://purl.org/dc/elements/1.1/"
CRS = "http://ns.adobe.com/camera-raw-settings/1.0/"
DEPTH = "http://ns.google.com/photos/1.0/depthmap/"
LINK = Name("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
LONG = "Brücke " * 20_000


def packet(inside, attributes=""):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        f'syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="{DC}" xmlns:crs="{CRS}" '
        f'xmlns:note="{LINK.space}" xmlns:depth="{DEPTH}" {attributes}>{inside}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


EXTENSION = packet(
    f"<crs:Masks><rdf:Seq><rdf:li>{LONG}</rdf:li></rdf:Seq></crs:Masks>"
    "<depth:Data>c2VjcmV0</depth:Data>"
)
DIGEST = hashlib.md5(EXTENSION).hexdigest().upper()
MAIN = packet("<dc:source>here</dc:source>", f'note:HasExtendedXMP="{DIGEST}"')


def segments(data=EXTENSION, digest=DIGEST, size=60_000):
    found = []
    for at in range(0, len(data), size):
        head = b"http://ns.adobe.com/xmp/extension/\0" + digest.encode()
        body = head + struct.pack(">II", len(data), at) + data[at : at + size]
        found.append(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    return found


@pytest.fixture
def read(tmp_path):
    def read(parts, main=MAIN):
        path = tmp_path / "in.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, xmp=main, extra=b"".join(parts))
        return decode(path)

    return read


def test_it_is_read_whole_in_any_order(read, tmp_path):
    for parts in (segments(), segments()[::-1]):
        loaded = read(parts)
        found = Packet(loaded.metadata.xmp)
        assert found.items(Name(CRS, "Masks")) == [LONG.strip()]
        assert found.text(Name(DC, "source")) == "here"
        assert found.text(LINK) == ""
        assert b"c2VjcmV0" not in loaded.metadata.xmp, "a picture of the photo before"
    encode(tmp_path / "out.jpg", loaded.photo, like=loaded)
    assert LONG.encode() in sidecar_for(tmp_path / "out.jpg").read_bytes()


@pytest.mark.parametrize(
    "parts",
    [
        [],
        segments()[:-1],
        segments()[1:],
        segments(digest="0" * 32),
        segments(EXTENSION + b" "),
        [b"\xff\xe1" + struct.pack(">H", 37) + b"http://ns.adobe.com/xmp/extension/\0"],
        segments(b"broken <xml", hashlib.md5(b"broken <xml").hexdigest().upper()),
    ],
)
def test_what_is_not_all_there_is_left_out(read, parts):
    found = Packet(read(parts).metadata.xmp)
    assert found.text(Name(DC, "source")) == "here"
    assert found.items(Name(CRS, "Masks")) == []
    assert found.text(LINK) == ""


def test_an_extension_without_a_packet_is_nothing(read):
    assert read(segments(), main=b"").metadata.xmp == b""
