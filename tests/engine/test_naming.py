"""Words for what the semantic encoder is sure of, and none where it is not."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.encoder import CLASSES
from ldrps_engine.analysis.opinion import MOST_WORDS
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.captioning.naming import PLACE, THING, name_scene, phrase, vocabulary
from support import pictures
from training.graphics import draw

RETRIEVER, SEASHORE, CONVERTIBLE, DAISY, GOLDFINCH = 207, 978, 511, 985, 11
ROCKING_CHAIR, TRAFFIC_LIGHT = 765, 920


def seen(**amounts):
    """Log-odds of what is named, the rest even."""
    logits = np.zeros(CLASSES, np.float32)
    for name, amount in amounts.items():
        logits[globals()[name]] = amount
    return logits


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        (seen(RETRIEVER=14), "a dog"),
        (seen(CONVERTIBLE=12), "a car"),
        (seen(DAISY=12), "a flower"),
        (seen(GOLDFINCH=12), "a bird"),
        (seen(SEASHORE=12), "a beach"),
        (seen(SEASHORE=14.3, RETRIEVER=14), "a beach with a dog"),
        # Of a kind that is sure without the breed or the kind of bird.
        (seen(RETRIEVER=12, GOLDFINCH=12), "an animal"),
        (seen(SEASHORE=14.3, RETRIEVER=13, GOLDFINCH=13), "a beach with an animal"),
    ],
)
def test_what_is_sure_is_said(logits, words):
    assert phrase(logits) == words


@pytest.mark.parametrize(
    "logits",
    [
        seen(),
        seen(RETRIEVER=6),
        seen(RETRIEVER=12, CONVERTIBLE=12),
        seen(TRAFFIC_LIGHT=14),
        np.full(CLASSES, -50, np.float32),
    ],
    ids=["nothing", "a guess", "either", "no word", "even"],
)
def test_what_is_not_sure_is_not_said(logits):
    assert phrase(logits) == ""


def test_a_thing_is_no_place_besides():
    # A chair is what a room is known by: alone it says nothing of the room.
    assert phrase(seen(ROCKING_CHAIR=14)) == "a chair"


def test_words_are_few_plain_and_of_classes_there_are():
    words = vocabulary()
    assert len({word.text for word in words}) == len(words) <= 60
    for word in words:
        assert word.kind in (THING, PLACE)
        assert 0.5 <= word.surely < 1
        assert len(set(word.classes)) == len(word.classes) > 0
        assert all(0 <= index < CLASSES for index in word.classes)
        assert re.fullmatch(r"[a-z ]+", word.text)
        assert len(word.text.split()) <= (MOST_WORDS - 1) // 2


def test_a_particular_word_comes_before_the_general_one():
    # Else it would never be said.
    for kind in (THING, PLACE):
        of_kind = [word for word in vocabulary() if word.kind == kind]
        for index, word in enumerate(of_kind):
            for earlier in of_kind[:index]:
                assert not set(word.classes) < set(earlier.classes), (earlier.text, word.text)


def test_no_words_for_pages_charts_and_drawings():
    rng = random.Random(5)
    for _ in range(6):
        assert name_scene(recognise(draw(rng).astype(np.float32) / 255)) == ""


def test_what_looks_like_a_drawing_is_not_described():
    found = recognise(pictures.natural(96, 128))
    sure = replace(found, seen=replace(found.seen, logits=seen(RETRIEVER=14)))
    for graphic, words in ((0.01, "a dog"), (0.5, "")):
        probabilities = {**found.probabilities, "graphic": graphic}
        assert name_scene(replace(sure, probabilities=probabilities)) == words


def test_noise_alone_gets_no_words():
    rng = np.random.default_rng(3)
    assert name_scene(recognise(rng.random((96, 128, 3)).astype(np.float32))) == ""
