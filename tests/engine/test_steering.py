"""A description steers colours: the thing it names gets the colour it says, and nothing else."""

import numpy as np
import pytest
import torch
from skimage import data

from ldrps_engine.analysis.encoder import CLASSES
from ldrps_engine.analysis.monochrome import grey_of
from ldrps_engine.analysis.places import FOUND, Places
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.captioning.colour_words import COLOURS, colour_wishes, nouns
from ldrps_engine.colour.srgb import YCC
from ldrps_engine.diffusion.steering import Hint, Steering
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures

CUP = (504, 967, 968)


@pytest.fixture(scope="module")
def coffee():
    """A cup on a saucer on a wooden table, without colour."""
    return grey_of(resize(data.coffee().astype(np.float32) / 255, (192, 288), smooth=True))


def inside(shape):
    """The cup, and the table at its left and right edge."""
    cup, table = np.zeros(shape, bool), np.zeros(shape, bool)
    cup[int(0.2 * shape[0]) : int(0.45 * shape[0]), int(0.42 * shape[1]) : int(0.65 * shape[1])] = 1
    table[:, : int(0.08 * shape[1])] = table[:, int(0.92 * shape[1]) :] = 1
    return cup, table


@pytest.mark.parametrize(
    ("description", "wishes"),
    [
        ("red barn", ["red barn"]),
        ("A Red, old barn", ["red"]),
        ("a red old wooden barn in the snow", ["red barn"]),
        ("two blue cars and a green boat", ["blue car", "green boat"]),
        ("the boat is blue, the sports car was red", ["blue boat", "red sports car"]),
        ("a white bus, a white bus and a red bus", ["white bus"]),
        ("a yellow hot pot", ["yellow hot pot"]),
        ("red", ["red"]),
        ("a red thing nobody knows of, a barn", ["red"]),
        ("three cherries and butterflies, blue butterflies", ["blue butterfly"]),
        ("a street at night", []),
        ("", []),
        ("\u0440\u0435\u0434 \u2028 red\tbarn", ["red barn"]),
    ],
)
def test_colours_are_read_with_their_things(description, wishes):
    assert [wish.text for wish in colour_wishes(description)] == wishes


def test_nouns_are_of_classes_that_there_are():
    for noun, classes in nouns().items():
        assert noun == noun.lower().strip()
        assert classes
        assert all(0 <= index < CLASSES for index in classes)
    assert nouns()["barn"] == (425,)
    assert not nouns().keys() & COLOURS.keys() - {"orange"}


def test_a_thing_is_found_where_it_is(coffee):
    places = Places(coffee[..., 0])
    assert places.probability(CUP) > FOUND
    assert places.probability(nouns()["barn"]) < FOUND
    found = places.map(CUP, (32, 48))
    cup, table = inside((32, 48))
    assert found[cup].mean() > 0.8
    assert found[table].mean() < 0.1


def test_hints_and_samples_are_joined_by_how_sure_they_are():
    one, two = torch.full((1, 2, 1, 1), 1.0), torch.full((1, 2, 1, 1), 4.0)
    level = torch.full((1, 1, 1, 1), 0.5)
    mean, joined = Hint(one, level).joined(two, level)
    assert mean.flatten().tolist() == pytest.approx([2.5, 2.5])
    assert joined.item() == pytest.approx(0.5 / 2**0.5)
    mean, joined = Hint(one, torch.full_like(level, torch.inf)).joined(two, level)
    assert (mean.flatten()[0].item(), joined.item()) == (pytest.approx(4), pytest.approx(0.5))


def chroma(photo):
    return (photo.pixels @ YCC.T)[..., 1:]


def reported(grey, models, description, seed):
    events = []
    settings = Settings(recipe="colour", description=description, seed=seed)
    done = restore(grey, settings, models, events.append)
    remarks = [r for e in events if isinstance(e, Described) for r in e.remarks]
    return chroma(done.photo), remarks


@pytest.mark.parametrize("seed", [0, 3])
def test_the_description_steers(models, coffee, seed):
    grey = Photo.from_samples(pictures.samples(coffee, np.uint8))
    plain, said = reported(grey, models, "a cup of coffee on a table", seed)
    assert not said
    cup, table = inside(plain.shape[:2])
    for colour, sign in (("blue", (1, -1)), ("red", (-1, 1))):
        steered, said = reported(grey, models, f"a {colour} cup on a table", seed)
        moved = steered - plain
        assert not said
        # Cb rises and Cr falls for blue, the other way round for red.
        assert (moved[cup].mean(0) * sign > 0.04).all(), (colour, moved[cup].mean(0))
        # A sample is another one all over; what it moves there is no colour of the cup's.
        assert np.abs(moved[table].mean(0)).max() < 0.02


def test_what_is_not_in_the_photo_is_reported_and_changes_nothing(models, coffee):
    grey = Photo.from_samples(pictures.samples(coffee, np.uint8))
    plain, _ = reported(grey, models, "coffee", 0)
    steered, said = reported(grey, models, "coffee, a red barn and a purple flibbertigibbet", 0)
    # The prior hears the words too, which moves single steps of eight bits here and there.
    assert np.abs(plain - steered).mean() < 0.001
    assert said == [
        "no barn was found in the photo, so 'red barn' gives no colour to anything",
        "the description's 'purple' stands with no thing that is known and is not used",
    ]


def test_no_words_no_hint(coffee):
    assert Steering.of(None, coffee[..., 0]) == Steering(None, ())
    assert Steering.of("a cup", coffee[..., 0]) == Steering(None, ())
