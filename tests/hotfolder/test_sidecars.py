"""Sidecars of originals, and what of them their results say."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hotfolder.support import (
    KEYWORDS,
    SIDECAR,
    names,
    pixels,
    run_once,
    stays,
    tags,
    write_photo,
)
from ldrps_client.files import decode
from ldrps_client.files.metadata._packet import Name, Packet
from ldrps_client.hotfolder.work._sidecars import sidecars_of, with_sidecars
from ldrps_client.provenance import read_mark
from support.daemon import wait_until


def tags_in(packet):
    """Return the `tags` of a packet."""
    found = Packet(packet)
    return {
        "rating": found.text(Name("http://ns.adobe.com/xap/1.0/", "Rating")),
        "keywords": found.items(Name("http://purl.org/dc/elements/1.1/", "subject")),
    }


def written(tmp_path, loaded):
    from ldrps_client.files import encode

    path = tmp_path / "out.png"
    encode(path, loaded.photo, like=loaded)
    return path


def test_sidecars_are_read_and_the_more_exact_one_counts(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.xmp").write_text(SIDECAR.format(rating=2, keywords=KEYWORDS))
    (tmp_path / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    assert [path.name for path in sidecars_of(photo)] == ["a.xmp", "a.png.xmp"]
    found = tags(written(tmp_path, with_sidecars(decode(photo), "restored")))
    assert found == {
        "rating": "4",
        "keywords": ["dog", "restored"],
        "tree": ["dog", "restored"],
        "title": ["Tom & dog"],
        "development": "",
    }


def test_a_keyword_is_added_once(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    once = with_sidecars(decode(photo), "restored")
    path = written(tmp_path, once)
    again = with_sidecars(decode(path), "restored")
    packet = tags(path)
    path.unlink()
    assert tags(written(tmp_path, again)) == packet
    assert packet["keywords"] == ["restored"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"<x/>", b"\xff\xfe\x00"])
def test_a_broken_sidecar_is_as_none(tmp_path, data):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.png.xmp").write_bytes(data)
    loaded = decode(photo)
    assert tags(written(tmp_path, with_sidecars(loaded)))["rating"] == ""
    assert with_sidecars(replace(loaded, path=tmp_path / "none.png")).metadata == loaded.metadata


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("declared", [False, True])
def test_a_sidecar_in_any_encoding_of_xml_is_read(tmp_path, encoding, declared):
    photo = write_photo(tmp_path / "a.png", 1)
    text = SIDECAR.format(rating=3, keywords=KEYWORDS.replace("dog", "Käfer"))
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{text}' if declared else text
    (tmp_path / "a.xmp").write_bytes(text.encode(encoding))
    loaded = with_sidecars(decode(photo))
    assert loaded.warnings == ()
    found = tags(written(tmp_path, loaded))
    assert (found["rating"], found["keywords"]) == ("3", ["Käfer"])


def test_a_sidecar_that_cannot_be_read_is_a_warning(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.png.xmp").write_bytes(b"nonsense")
    (sentence,) = with_sidecars(decode(photo)).warnings
    assert sentence.startswith(f"{tmp_path / 'a.png.xmp'} is no XMP that can be read")


OF_A_RAW = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
xmp:Rating="4" exif:PixelXDimension="6000" exif:PixelYDimension="4000" exif:ColorSpace="65535"
photoshop:SidecarForExtension="CR2" photoshop:ICCProfile="ProPhoto RGB" photoshop:ColorMode="3"
dc:format="image/x-canon-cr2" tiff:ImageWidth="6000" hdrgm:Version="1.0"
exif:GPSLatitude="48,12.5N" photoshop:City="Graz"/></rdf:RDF></x:xmpmeta>"""


def test_a_raws_sidecar_says_nothing_of_the_raw_file(tmp_path):
    photo = write_photo(tmp_path / "a.png", 1)
    (tmp_path / "a.xmp").write_text(OF_A_RAW)
    names = Packet(with_sidecars(decode(photo)).metadata.xmp).names()
    assert {name.local for name in names} == {"Rating", "GPSLatitude", "City"}


def test_a_sidecar_that_cannot_be_used_is_reported(inside, out, client):
    write_photo(inside / "a.png", 1)
    (inside / "a.xmp").write_bytes(b"<nonsense")
    write_photo(inside / "b.png", 2)
    (inside / "b.png.xmp").write_bytes(b" " * ((8 << 20) + 1))
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("done") == 2
    # Told again where a sidecar settles only after its photo is done.
    words = sorted({facts["message"] for facts in reported.facts("warning")})
    assert len(words) == 2
    assert "a.xmp is no XMP that can be read" in words[0]
    assert "b.png.xmp is larger than 8 MiB" in words[1]


def test_what_is_odd_about_a_photo_is_reported(inside, out, client):
    Image.fromarray(pixels(1)).save(inside / "a.png", icc_profile=b"rubbish")
    reported = run_once(client, inside, out=out)
    (warning,) = reported.facts("warning")
    assert "colour profile is damaged" in warning["message"]
    assert reported.kinds("a.png")[-1] == "warning"


def save_as(path, number=1):
    """A photo of any kind, at its best."""
    best = {".jpg": {"quality": 95}, ".webp": {"lossless": True}, ".avif": {"quality": 95}}
    Image.fromarray(pixels(number, 32, 32)).save(path, **best.get(path.suffix, {}))
    return path


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_a_sidecar_that_comes_later_is_brought_into_the_result(inside, out, client, ending):
    save_as(inside / f"a{ending}")
    run_once(client, inside, out=out, keyword="restored")
    result = out / f"a_restored{ending}"
    before, mark = decode(result), read_mark(result)
    (inside / f"a{ending}.xmp").write_text(SIDECAR.format(rating=4, keywords=KEYWORDS))
    reported = run_once(client, inside, out=out, keyword="restored")
    assert reported.facts("amended")[0]["output"] == str(result)
    after = decode(result)
    where = result.with_name(f"{result.name}.xmp")
    packet = where.read_bytes() if ending == ".avif" else after.metadata.xmp
    found = tags_in(packet)
    assert (found["rating"], found["keywords"]) == ("4", ["dog", "restored"])
    # The rest is as it was, and nothing was worked on again.
    assert np.array_equal(before.photo.to_samples(), after.photo.to_samples())
    assert before.photo.icc_profile == after.photo.icc_profile
    assert before.metadata.exif == after.metadata.exif
    assert read_mark(result) == mark
    assert len(client.submits) == 1
    assert names(out) == sorted([result.name, *([where.name] if ending == ".avif" else [])])
    with Image.open(result) as image:
        image.load()
    # And once is once, also when it changes again, and when nothing of it does.
    assert "amended" not in run_once(client, inside, out=out, keyword="restored").kinds()
    (inside / f"a{ending}.xmp").write_text(SIDECAR.format(rating=5, keywords=KEYWORDS) + "\n")
    assert "amended" in run_once(client, inside, out=out, keyword="restored").kinds()
    os.utime(inside / f"a{ending}.xmp", (1, 1))
    assert "amended" not in run_once(client, inside, out=out, keyword="restored").kinds()
    assert "warning" not in reported.kinds()


def test_a_late_sidecar_is_heard_of_while_watching(inside, watch):
    reported = watch(inside).reported
    for number, name in enumerate(("a.png", "sub/a.b.png")):
        write_photo(inside / name, number)
    assert wait_until(lambda: reported.kinds().count("done") == 2)
    (inside / "a.XMP").write_text(SIDECAR.format(rating=2, keywords=""))
    part = inside / "sub" / "a.b.xmp.part"
    part.write_text(SIDECAR.format(rating=3, keywords=""))
    part.rename(inside / "sub" / "a.b.xmp")
    assert wait_until(lambda: reported.kinds().count("amended") == 2)
    assert tags(inside / "a_restored.png")["rating"] == "2"
    assert tags(inside / "sub" / "a.b_restored.png")["rating"] == "3"
    assert stays(lambda: reported.kinds().count("found") == 2, 1.0)
    assert names(inside) == sorted(
        [
            *("a.png", "a_restored.png", "a.XMP"),
            *("sub/a.b.png", "sub/a.b_restored.png", "sub/a.b.xmp"),
        ]
    )


def test_a_sidecar_that_comes_during_the_work_is_used(inside, out, client, watch):
    client.gate.clear()
    reported = watch(inside, out=out).reported
    photo = write_photo(inside / "a.png", 1)
    assert wait_until(lambda: client.submits)
    (inside / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    client.gate.set()
    assert wait_until(lambda: "done" in reported.kinds(photo.name))
    assert tags(out / "a_restored.png")["rating"] == "4"


def test_a_sidecar_that_comes_as_the_result_is_written_is_used(inside, out, client, monkeypatch):
    import ldrps_client.hotfolder.work._worker as worker

    real = worker.with_sidecars

    def just_before(loaded, keyword):
        read = real(loaded, keyword)
        (inside / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
        return read

    monkeypatch.setattr(worker, "with_sidecars", just_before)
    write_photo(inside / "a.png", 1)
    reported = run_once(client, inside, out=out)
    assert reported.kinds("a.png")[-2:] == ["done", "amended"]
    assert tags(out / "a_restored.png")["rating"] == "4"


def late(inside):
    (inside / "a.xmp").write_text(SIDECAR.format(rating=4, keywords=""))


def test_a_result_that_somebody_changed_is_left_and_that_is_reported(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    result = out / "a_restored.png"
    result.write_bytes(result.read_bytes() + b"more")
    theirs = result.read_bytes()
    late(inside)
    reported = run_once(client, inside, out=out)
    assert "has been changed since" in reported.facts("warning")[0]["message"]
    assert result.read_bytes() == theirs
    # Told once.
    assert "warning" not in run_once(client, inside, out=out).kinds()


@pytest.mark.parametrize("instead", [None, b"no photo"])
def test_a_result_that_is_no_more_is_not_made_again(inside, out, client, instead):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    (out / "a_restored.png").unlink()
    if instead:
        (out / "a_restored.png").write_bytes(instead)
    late(inside)
    reported = run_once(client, inside, out=out)
    assert len(reported.facts("warning")) == 1
    assert len(client.submits) == 1
    assert names(out) == (["a_restored.png"] if instead else [])


def test_a_sidecar_with_more_than_a_jpeg_holds_goes_beside_the_result(inside, out, client):
    save_as(inside / "a.jpg")
    run_once(client, inside, out=out)
    large = SIDECAR.format(rating=4, keywords=KEYWORDS.replace("dog", "d" * 70_000))
    (inside / "a.xmp").write_text(large)
    assert "amended" in run_once(client, inside, out=out).kinds()
    assert tags_in((out / "a_restored.jpg.xmp").read_bytes())["keywords"] == ["d" * 70_000]
    (inside / "a.xmp").write_text(large.replace('Rating="4"', 'Rating="1"'))
    assert "amended" in run_once(client, inside, out=out).kinds()
    assert tags_in((out / "a_restored.jpg.xmp").read_bytes())["rating"] == "1"
    # Somebody else's stays.
    (out / "a_restored.jpg.xmp").write_text(SIDECAR.format(rating=3, keywords=""))
    (inside / "a.xmp").write_text(large)
    assert "is there already" in run_once(client, inside, out=out).facts("warning")[0]["message"]
    assert tags_in((out / "a_restored.jpg.xmp").read_bytes())["rating"] == "3"


def test_a_development_that_is_saved_changes_no_result(inside, out, client):
    """darktable writes its sidecars again with every step."""
    write_photo(inside / "a.png", 1)
    (inside / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=KEYWORDS))
    run_once(client, inside, out=out)
    before = (out / "a_restored.png").read_bytes()
    text = (inside / "a.png.xmp").read_text()
    (inside / "a.png.xmp").write_text(text.replace('history_end="3"', 'history_end="4"'))
    assert "amended" not in run_once(client, inside, out=out).kinds()
    assert (out / "a_restored.png").read_bytes() == before


def test_sidecars_of_others_are_nothing_to_us(inside, out, client):
    write_photo(inside / "a.png", 1)
    for name in ("b.xmp", "a.b.xmp", "a.jpg.xmp", ".a.xmp"):
        (inside / name).write_text(SIDECAR.format(rating=4, keywords=""))
    (inside / "no").mkdir()
    (inside / "no" / "a.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    run_once(client, inside, out=out)
    reported = run_once(client, inside, out=out)
    assert reported.kinds() == ["scanned"]
    assert tags(out / "a_restored.png")["rating"] == ""
