"""The user's words are taken as they are; people read what is sure, the prior colours."""

from dataclasses import replace

import numpy as np
import pytest

from ldrps_engine.analysis.opinion import Opinion
from ldrps_engine.analysis.recognition import recognise
from ldrps_engine.captioning.describer import describe, prompt
from ldrps_engine.captioning.tagger import colour_name, even_light, tag_scene, thumbnail
from ldrps_engine.progress import Described
from ldrps_engine.settings import Settings
from support import pictures

SEEN = Opinion("a lighthouse on a rock", "poet")


DOG = 207


@pytest.fixture(scope="module")
def recognised():
    return recognise(pictures.natural(96, 128))


def sure_of(recognised, index):
    logits = np.zeros_like(recognised.seen.logits)
    logits[index] = 14
    return replace(recognised, seen=replace(recognised.seen, logits=logits))


def test_the_users_words_come_first_even_if_there_are_none(natural, recognised):
    for words in ("a lighthouse", ""):
        settings = Settings(description=words)
        assert describe(sure_of(recognised, DOG), settings, SEEN) == Described(words, "user")
        assert prompt(natural, settings, SEEN) == words


def test_a_describer_may_write(natural, recognised):
    assert describe(recognised, Settings(), SEEN) == Described("a lighthouse on a rock", "poet")
    assert prompt(natural, Settings(), SEEN) == "a lighthouse on a rock"


def test_people_read_what_is_sure_and_the_prior_gets_colours(natural, recognised):
    assert describe(sure_of(recognised, DOG), Settings(), None) == Described("a dog", "tagger")
    assert prompt(natural, Settings(), None) == tag_scene(natural)


def test_nothing_is_said_where_nothing_is_sure_but_remarks_are(natural, recognised):
    unsure = replace(
        recognised, seen=replace(recognised.seen, logits=np.zeros_like(recognised.seen.logits))
    )
    said = describe(unsure, Settings(), None, ("a remark",))
    assert said == Described("", "tagger", ("a remark",))
    assert prompt(natural, Settings(), None) == tag_scene(natural)


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (96, 128)])
def test_a_tag_is_at_most_twelve_words(size):
    assert 0 < len(tag_scene(pictures.natural(*size)).split()) <= 12


def stripes(*colours):
    return np.repeat(np.array(colours, np.float32)[:, None], 60, 1).repeat(16, 0)


def test_places_and_colours_are_named():
    scene = stripes((0.2, 0.4, 0.9), (0.9, 0.9, 0.9), (0.1, 0.6, 0.15))
    places = tag_scene(scene).split(", ")[:3]
    assert places == ["blue above", "white in the middle", "green below"]


@pytest.mark.parametrize("degrade", [pictures.darkened, pictures.hazed])
def test_colour_places_survive_the_degradation(degrade):
    scene = stripes((0.2, 0.55, 0.95), (0.9, 0.9, 0.9), (0.1, 0.6, 0.15))
    above, _, below = tag_scene(degrade(scene)).split(", ")[:3]
    # White is left out: behind bluish haze it is bluish.
    assert (above, below) == ("blue above", "green below")


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((1, 0, 0), "red"),
        ((1, 0.5, 0), "orange"),
        ((1, 1, 0), "yellow"),
        ((0, 1, 0), "green"),
        ((0, 1, 1), "cyan"),
        ((0, 0, 1), "blue"),
        ((0.6, 0, 1), "purple"),
        ((1, 0, 0.6), "pink"),
        ((1, 0, 0.1), "red"),
        ((0.4, 0.2, 0.1), "brown"),
        ((0.9, 0.9, 0.9), "white"),
        ((0.5, 0.5, 0.5), "grey"),
        ((0.05, 0.05, 0.05), "black"),
    ],
)
def test_colours_have_their_common_names(colour, name):
    assert colour_name(np.full((4, 4, 3), colour, np.float32)) == name


def test_how_rich_in_colour_a_scene_is(natural):
    assert tag_scene(pictures.grey(natural)).endswith("muted")
    assert tag_scene(stripes((1, 0, 0), (0, 1, 0), (0, 0, 1))).endswith("colourful")


def test_a_thumbnail_holds_the_means_of_blocks(natural):
    assert thumbnail(natural).shape == (48, 48, 3)
    assert thumbnail(natural[:16, :20]).shape == (16, 20, 3)
    square = natural[:, :96]
    blocks = square.reshape(48, 2, 48, 2, 3).mean((1, 3))
    assert np.allclose(thumbnail(square), blocks, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_scenes_have_finite_light(value):
    assert np.isfinite(even_light(np.full((8, 8, 3), value, np.float32))).all()


def test_even_light_brings_dark_and_hazy_scenes_to_the_same_mean(natural):
    for scene in (natural, pictures.darkened(natural), pictures.hazed(natural)):
        # Gamma is chosen from the mean before it, so that the mean after it is near 0.45 only.
        assert even_light(scene).mean() == pytest.approx(0.45, abs=0.08)
