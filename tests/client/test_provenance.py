"""The mark in a result: what it says, that others can read it, and that theirs stays."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps_client import Client
from ldrps_client.files import decode
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_client.provenance import (
    NAMESPACE,
    mark_for,
    mark_in,
    marked,
    pixel_digest,
    read_mark,
    sidecar_for,
)
from ldrps_engine.errors import OutputError, PhotoError, SettingsError

DC = "http://purl.org/dc/elements/1.1/"
THEIRS = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF
 xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about=""
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:event="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmpMM:DocumentID="xmp.did:theirs" xmpMM:InstanceID="xmp.iid:theirs" xmp:Rating="4">
 <dc:subject><r:Bag><r:li>bridge</r:li><r:li>\xc3\x85re</r:li></r:Bag></dc:subject>
 <xmpMM:History><r:Seq><r:li event:action="created"/></r:Seq></xmpMM:History>
</r:Description></r:RDF></x:xmpmeta>"""


@pytest.fixture
def result(client: Client, photo: Path):
    found = client.restore(photo, seed=7, description='a "bridge" <in> fog', strength=0.3)
    loaded = replace(found.source, metadata=replace(found.source.metadata, xmp=THEIRS))
    return replace(found, source=loaded)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_what_is_written_is_read(result, tmp_path, ending):
    out = tmp_path / "sub" / f"out{ending}"
    out.parent.mkdir()
    result.save(out)
    mark = read_mark(out)
    assert mark is not None
    assert mark.settings() == result.settings
    assert mark.derived_from.path == "../in.png"
    assert mark.derived_from.document_id == "xmp.did:theirs"
    assert mark.derived_from.instance_id == "xmp.iid:theirs"
    assert mark.derived_from.pixels == pixel_digest(result.source.photo)
    assert (mark.layer, mark.model, mark.diagnosis) == ("restored", "bundled", "noise about 3")
    assert mark.measured["noise_sigma"] == 3.0
    assert mark.document_id.startswith("xmp.did:")
    assert mark.document_id != "xmp.did:theirs"
    assert not sidecar_for(out).exists()
    assert decode(out).metadata.xmp.count(b"xmpMM:History>") == 2


def test_what_others_wrote_stays(result, tmp_path):
    packet = Packet(marked(THEIRS, mark_for(result, "restored", tmp_path / "out.jpg")))
    subjects = b"<r:li>bridge</r:li><r:li>\xc3\x85re</r:li>"
    assert subjects in packet.to_bytes()
    assert packet.text(Name("http://ns.adobe.com/xap/1.0/", "Rating")) == "4"
    history = packet.sequence(Name("http://ns.adobe.com/xap/1.0/mm/", "History"))
    assert len(history.getElementsByTagNameNS("*", "li")) == 2
    again = packet.text(Name("http://ns.adobe.com/xap/1.0/mm/", "OriginalDocumentID"))
    assert again == "xmp.did:theirs"


def test_marking_twice_leaves_one_mark_and_two_events(result, tmp_path):
    first = mark_for(result, "restored", tmp_path / "a.jpg")
    second = mark_for(result, "restored", tmp_path / "b.jpg")
    packet = marked(marked(b"", first), second)
    assert mark_in(packet) == second
    assert packet.count(b"<xmpMM:DocumentID>") == 1
    assert packet.count(b"<stEvt:action>") == 2


def test_how_much_was_generated(result, tmp_path):
    assert mark_for(result, "restored", tmp_path / "out.jpg").generated is None
    mark = mark_for(replace(result, generated=(0.125, 1.0)), "restored", tmp_path / "out.jpg")
    assert mark_in(marked(b"", mark)).generated == (0.125, 1.0)


def test_a_mark_under_former_names_is_read_as_one_of_today(result, tmp_path):
    result = replace(
        result,
        settings=replace(result.settings, layers=("restored", "generated")),
        generated=(0.125, 1.0),
    )
    mark = mark_for(result, "generated", tmp_path / "out.jpg")
    today = marked(THEIRS, mark)
    former = today.replace(b"generated", b"invented").replace(b"ldrps:Generated", b"ldrps:Invented")
    former = former.replace(b"&quot;haze&quot;", b"&quot;veil&quot;").replace(b'"haze"', b'"veil"')
    for name in (b"InventedMean", b"InventedMaximum", b"invented", b"veil"):
        assert name in former
        assert name not in today
    assert mark_in(former) == mark
    assert mark_in(former).settings().layers == ("restored", "generated")
    # A file that is marked again says nothing twice.
    again = marked(former, mark)
    assert b"Invented" not in again
    assert mark_in(again) == mark
    # Beside a photo as well as in it.
    bare = tmp_path / "bare.jpg"
    Image.new("RGB", (16, 16)).save(bare)
    sidecar_for(bare).write_bytes(former)
    assert read_mark(bare) == mark


def test_pixels_without_a_file_have_a_mark_without_an_origin(client, pixels, tmp_path):
    client.restore(pixels).save(tmp_path / "out.png")
    mark = read_mark(tmp_path / "out.png")
    assert mark is not None
    assert mark.derived_from.path == ""
    assert mark.derived_from.pixels == ""


def test_a_packet_too_large_for_a_jpeg_goes_into_a_sidecar(result, tmp_path):
    large = THEIRS.replace(b"bridge", b"x" * 70_000)
    result = replace(
        result, source=replace(result.source, metadata=replace(result.source.metadata, xmp=large))
    )
    out = tmp_path / "out.jpg"
    result.save(out)
    assert b"x" * 70_000 in sidecar_for(out).read_bytes()
    assert decode(out).metadata.xmp == b""
    assert read_mark(out).settings() == result.settings
    with pytest.raises(OutputError, match="exists already"):
        result.save(out)
    result.save(out, force=True)


def test_the_sidecar_goes_when_the_photo_cannot_be_written(result, tmp_path, monkeypatch):
    import os

    large = THEIRS.replace(b"bridge", b"x" * 70_000)
    result = replace(
        result, source=replace(result.source, metadata=replace(result.source.metadata, xmp=large))
    )
    real = os.link

    def full(part, path):
        if str(path).endswith(".jpg"):
            raise FileExistsError(path)
        real(part, path)

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OutputError):
        result.save(tmp_path / "out.jpg")
    assert sorted(os.listdir(tmp_path)) == ["in.png"]


@pytest.mark.parametrize(
    "xmp",
    [
        b"",
        b"\0\0\0",
        b"not xml",
        b"<x>" * 1000,
        THEIRS,
        THEIRS.replace(b"dc:", b"nowhere:"),
        NAMESPACE.encode(),
        THEIRS.replace(b"http://purl.org/dc/elements/1.1/", NAMESPACE.encode()),
        b'<!DOCTYPE r [<!ENTITY a "' + b"a" * 9999 + b'">]>' + THEIRS,
        THEIRS.decode().encode("utf-16"),
    ],
)
def test_packets_that_are_not_ours(result, tmp_path, xmp):
    assert mark_in(xmp) is None
    mark = mark_for(result, "restored", tmp_path / "out.jpg")
    assert mark_in(marked(xmp, mark)) == mark


def test_files_without_a_mark(photo, tmp_path):
    assert read_mark(photo) is None
    (tmp_path / "text.txt").write_text("dear diary")
    with pytest.raises(PhotoError):
        read_mark(tmp_path / "text.txt")
    with pytest.raises(PhotoError):
        read_mark(tmp_path / "missing.jpg")
    sidecar_for(photo).write_bytes(b"broken <xml")
    assert read_mark(photo) is None


def test_a_request_of_another_version(result, tmp_path):
    mark = mark_for(result, "restored", tmp_path / "out.jpg")
    strange = replace(mark, request={**mark.request, "wand": 1}, version="9.0")
    with pytest.raises(SettingsError, match=r"version 9\.0"):
        strange.settings()
    with pytest.raises(SettingsError, match="strength is 7"):
        replace(mark, request={**mark.request, "strength": 7}).settings()


def test_the_digest_is_of_the_pixels_alone(photo, pixels, tmp_path):
    other = tmp_path / "other.png"
    Image.fromarray(pixels).save(other, dpi=(300, 300))
    assert pixel_digest(decode(other).photo) == pixel_digest(decode(photo).photo)
    Image.fromarray(np.flipud(pixels)).save(other)
    assert pixel_digest(decode(other).photo) != pixel_digest(decode(photo).photo)


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_the_mark_survives_another_program_that_rewrites_it(result, tmp_path, ending):
    out = tmp_path / f"out{ending}"
    result.save(out)
    written = read_mark(out)
    command = ["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=ours", str(out)]
    subprocess.run(command, check=True)
    assert b"ours" in decode(out).metadata.xmp
    assert read_mark(out) == written
