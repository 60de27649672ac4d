"""Masks of damage on their way to the daemon."""

import dataclasses
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


@pytest.mark.parametrize("way", [[], ["--json"], ["--json-lines"]])
def test_a_mask_that_does_not_fit_all_photos_stops_before_the_first(
    ldrps, photo, fake, written, tmp_path, way
):
    other = tmp_path / "other.png"
    Image.new("RGB", (40, 30), (90, 80, 70)).save(other)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    code, _, err = ldrps("restore", photo, broken, other, "--damage", written, *way)
    assert code == 2
    assert err == (
        f"ldrps: {other}: damage: the mask is 64x48 and the photo 40x30; give a mask of the "
        f"photo's own size (the mask is {written})\n"
    )
    assert not fake.submits
    assert not photo.with_name("in_restored.png").exists()


@pytest.mark.parametrize(
    ("options", "filled"),
    [([], 7 / (64 * 48)), (["--strength", "0"], None), (["--amount", "damage=0"], None)],
)
def test_the_summary_says_what_was_filled(ldrps, photo, fake, written, options, filled):
    words = "filled what the mask marks (0.23% of the photo); noise about 3)"
    out = ldrps("restore", photo, "--damage", written, *options)[1]
    assert (words in out) is bool(filled)
    out = ldrps("restore", photo, "--damage", written, *options, "--json", "--force")[1]
    assert json.loads(out)["results"][0]["filled"] == filled
    assert json.loads(ldrps("restore", photo, "--json", "--force")[1])["results"][0]["filled"] is (
        None
    )


def test_what_else_is_found_is_told_from_what_was_marked(client, photo, mask):
    result = client.restore(photo, damage=mask)
    clean = dataclasses.replace(result, words="nothing found; perhaps hazy")
    assert clean.outcome == (
        "filled what the mask marks (0.23% of the photo); nothing else found; perhaps hazy"
    )
    assert dataclasses.replace(clean, filled=None).outcome == clean.words


def test_booleans_of_another_shape_are_refused(client, photo):
    with pytest.raises(SettingsError, match=r"shape \(3, 4, 2\)"):
        client.restore(photo, damage=np.ones((3, 4, 2), bool))


def test_redo_says_that_the_mask_is_gone(ldrps, photo, written):
    assert ldrps("restore", photo, "--damage", written)[0] == 0
    result = photo.with_name(f"{photo.stem}_restored{photo.suffix}")
    code, _, err = ldrps("redo", result)
    assert code == 2
    assert "made with a mask of damage" in err
