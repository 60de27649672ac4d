"""Descriptions of photos, where people read them: with words, and without."""

import json

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import events
from ldrps_client.cli._progress import text_of
from ldrps_client.files import decode
from ldrps_client.provenance import mark_in


@pytest.mark.parametrize(
    ("text", "source", "remarks", "line"),
    [
        ("a dog", "tagger", (), "looks like: a dog (says the tagger)"),
        ("a dog", "poet", ("odd",), "looks like: a dog (says the describer poet); odd"),
        ("", "tagger", (), ""),
        ("", "user", (), ""),
        # What there is to say besides is not lost with the words.
        ("", "tagger", ("poet gave no usable answer", "odd"), "poet gave no usable answer; odd"),
    ],
)
def test_words_are_shown_if_there_are_any(text, source, remarks, line):
    assert text_of(events.Described(text, source, remarks)) == line


@pytest.fixture
def silent(fake):
    fake.description = pb.Description(source="tagger")
    return fake


def test_nothing_stands_in_for_words_that_nobody_said(ldrps, silent, photo, tmp_path):
    code, reported, errors = ldrps("restore", photo, "-o", tmp_path / "out.png")
    assert code == 0
    assert "looks like" not in reported + errors
    code, reported, _ = ldrps("restore", photo, "-o", tmp_path / "json.png", "--json")
    assert code == 0
    assert json.loads(reported)["results"][0]["description"] == ""


def test_the_result_says_in_its_metadata_what_was_said(client, fake, photo, tmp_path):
    for text in ("a street", ""):
        fake.description = pb.Description(text=text, source="tagger")
        result = client.restore(photo)
        assert result.description == text
        out = tmp_path / f"{len(text)}.png"
        result.save(out)
        xmp = decode(out).metadata.xmp
        assert (b"ldrps:Description" in xmp) == bool(text)
        assert mark_in(xmp).description == text
        # Nobody's caption is made up.
        assert b"dc:description" not in xmp
