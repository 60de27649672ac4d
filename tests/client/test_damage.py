"""Masks of damage on their way to the daemon."""

import json

import numpy as np
import pytest
from PIL import Image

from ldrps_engine.errors import SettingsError
from ldrps_wire.masks import mask_from_wire


@pytest.fixture
def mask(photo):
    """A mask of the photo's size, with one scratch."""
    with Image.open(photo) as picture:
        size = picture.size
    marked = np.zeros((size[1], size[0]), bool)
    marked[2:9, 5] = True
    return marked


@pytest.fixture
def written(mask, tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path


def test_the_mask_reaches_the_daemon_bit_for_bit(ldrps, photo, fake, mask, written):
    code, out, _ = ldrps("restore", photo, "--damage", written, "--json")
    assert code == 0
    header = fake.submits[-1]
    assert header.settings.damage == "mask"
    assert np.array_equal(mask_from_wire(header.damage), mask)
    assert json.loads(out)["results"][0]["settings"]["damage"] == "mask"


@pytest.mark.parametrize("choice", ["auto", "off"])
def test_what_is_no_mask_sends_none(ldrps, photo, fake, choice):
    assert ldrps("restore", photo, "--damage", choice)[0] == 0
    header = fake.submits[-1]
    assert header.settings.damage == choice
    assert not header.HasField("damage")


def test_what_is_done_about_damage_is_left_to_the_recipe(ldrps, client, photo, fake):
    assert ldrps("restore", photo)[0] == 0
    assert not fake.submits[-1].settings.damage
    client.restore(photo)
    assert not fake.submits[-1].settings.damage


def test_python_takes_booleans_pictures_and_files(client, photo, fake, mask, written):
    transparent = np.zeros((*mask.shape, 4), np.uint8)
    transparent[..., :3], transparent[..., 3] = 255, mask * 255
    for given in (mask, written, written.read_bytes(), transparent, Image.open(written)):
        client.restore(photo, damage=given)
        header = fake.submits[-1]
        assert np.array_equal(mask_from_wire(header.damage), mask)


def cut(path):
    with Image.open(path) as picture:
        picture.crop((0, 0, 17, 16)).save(path)


def text(path):
    path.write_text("no picture")


def black(path):
    with Image.open(path) as picture:
        Image.new("L", picture.size, 0).save(path)


def white(path):
    with Image.open(path) as picture:
        Image.new("L", picture.size, 255).save(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "the mask is 17x16 and the photo "),
        (text, "mask.png"),
        (black, "the mask marks nothing"),
        (white, "the mask covers 100% of the photo"),
        (lambda path: path.unlink(), "mask.png: there is no such file"),
    ],
)
def test_a_bad_mask_is_one_sentence_and_nothing_is_written(
    ldrps, photo, fake, written, spoil, words
):
    spoil(written)
    before = sorted(photo.parent.iterdir())
    code, out, err = ldrps("restore", photo, "--damage", written)
    assert (code, out) == (2, "")
    assert "damage: " in err
    assert words in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert sorted(photo.parent.iterdir()) == before
    assert not fake.submits


def test_booleans_of_another_shape_are_refused(client, photo):
    with pytest.raises(SettingsError, match=r"shape \(3, 4, 2\)"):
        client.restore(photo, damage=np.ones((3, 4, 2), bool))


def test_redo_says_that_the_mask_is_gone(ldrps, photo, written):
    assert ldrps("restore", photo, "--damage", written)[0] == 0
    result = photo.with_name(f"{photo.stem}_restored{photo.suffix}")
    code, _, err = ldrps("redo", result)
    assert code == 2
    assert "made with a mask of damage" in err
