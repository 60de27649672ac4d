"""Refusals of the daemon are told in the user's language."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling import failure_policy
from ldrps_daemon.transport import servicer
from ldrps_daemon.transport.admission import Admission, payload_bytes
from ldrps_daemon.workers import helpers
from ldrps_engine.errors import LdrpsError
from ldrps_engine.photo import Photo, check_size
from ldrps_gimp import sentences
from ldrps_gimp.sentences import refusal_text

MEGABYTE = 1 << 20
_SOURCES = {
    "the daemon's disk is full; make room on it and hand the photo in again": helpers,
    "the daemon is stopping; submit again when it is back": servicer,
    "the daemon failed at this call; its log says where": servicer,
    "a worker died twice at this job, so it will not be tried again; see the log": failure_policy,
}


def header(width=2000, height=1000):
    return pb.SubmitHeader(raster=pb.Raster(width=width, height=height, channels=3, sample_type=1))


def admission(tmp_path, **options):
    config = ServeConfig(address=f"unix:{tmp_path}/s", spool=tmp_path, **options)
    index = SimpleNamespace(
        sweep=lambda spare: None, stored_bytes=lambda: 0, share=lambda client: (0, 0)
    )
    return Admission(config, index, tmp_path)


def refused(call, *arguments):
    with pytest.raises(LdrpsError) as caught:
        call(*arguments)
    return str(caught.value)


def enter(room, waiting=0):
    with room.place(header(), "somebody", waiting, lambda: 7.0):
        pass


@pytest.fixture
def made(tmp_path, monkeypatch):
    """All that a photo of GIMP's may be refused for, by who refuses it."""
    said = [refused(check_size, *size) for size in ((8, 90), (70000, 20), (60000, 100))]
    said.append(refused(Photo.from_samples, np.full((20, 20, 3), np.nan, np.float32)))
    said.append(refused(payload_bytes, header(), ServeConfig(max_pixels=100)))
    said.append(refused(payload_bytes, header(), ServeConfig(max_bytes=100)))
    said.append(refused(enter, admission(tmp_path, memory_bytes=MEGABYTE)))
    said.append(refused(enter, admission(tmp_path, spool_bytes=MEGABYTE)))
    said.append(refused(enter, admission(tmp_path, queue_limit=3), 3))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    said.append(refused(enter, admission(tmp_path)))
    for text, module in _SOURCES.items():
        # Parts of the program that need a whole daemon for it.
        assert text.partition(" twice ")[0] in Path(module.__file__).read_text(encoding="utf-8")
        said.append(text)
    return said


def _pattern(text):
    return next((each for each in sentences._refusals() if re.fullmatch(each, text)), None)


def test_every_refusal_is_known_and_each_that_is_known_is_made(made):
    assert [each for each in made if _pattern(each) is None] == []
    assert {_pattern(each) for each in made} == set(sentences._refusals())


def test_each_is_a_sentence_with_its_figures(made):
    texts = [refusal_text(each) for each in made]
    for text in texts:
        assert text[0].isupper()
        assert text.endswith(".")
        assert "{" not in text
    assert "The photo is 8x90; both sides need 16 pixels or more." in texts
    assert "The daemon has too many photos already; try again in 7 seconds." in texts


def test_what_is_not_known_is_a_sentence_as_it_is():
    assert refusal_text("model 'x' is gone; pull it") == "Model 'x' is gone; pull it."
