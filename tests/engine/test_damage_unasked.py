"""Damage that nobody has spoken of: filled where it is beyond doubt, and only named elsewhere."""

import numpy as np
import pytest

from ldrps_engine.analysis.damage import look_for_damage
from support import pictures
from support.damage import iou

LIKELY = "ldrps_engine.analysis.damage.likely_from_sides"


def bare(picture, marked):
    """Paper where it is marked, as where the emulsion is gone."""
    return np.where(marked[..., None], np.float32(0.92), picture).astype(np.float32)


def test_lines_all_over_are_filled_unasked_and_a_lamp_is_not(monkeypatch):
    """As much is marked in both: lamps and glints are in few places, a print's damage is not."""
    rows, columns = np.mgrid[:256, :256]
    lines = (rows % 64 == 20) & (columns > 10) & (columns < 240)
    lamp = (rows < 31) & (columns < 30)
    found = {}
    for name, marked in (("lines", lines), ("lamp", lamp)):
        assert 900 < marked.sum() < 940
        likely = np.where(marked, np.float32(0.97), np.float32(0))
        monkeypatch.setattr(LIKELY, lambda *_, p=likely: p)
        found[name] = look_for_damage(bare(pictures.natural(256, 256), marked))
    assert found["lines"].is_beyond_doubt
    assert iou(found["lines"].mask, lines) > 0.7
    assert found["lamp"].is_sure
    assert not found["lamp"].is_beyond_doubt


@pytest.mark.parametrize("coloured", [True, False], ids=["in colour", "grey"])
def test_what_may_be_twigs_or_spray_is_filled_unasked_in_prints_without_colours(
    monkeypatch, coloured
):
    likely = np.zeros((256, 256), np.float32)
    likely[20, 10:240] = likely[148, 10:120] = 0.97
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    picture = pictures.natural(256, 256)
    found = look_for_damage(picture if coloured else pictures.grey(picture), stains=False)
    assert found.is_sure
    assert found.is_beyond_doubt is not coloured


@pytest.mark.parametrize(
    ("shown", "filled"),
    [("paper", True), ("drops", False), ("words", False), ("a frame", False), ("a rim", False)],
)
def test_in_a_photo_with_colours_only_what_shows_the_same_paper_is_filled_unasked(
    monkeypatch, shown, filled
):
    """Drops and twigs are of many colours, words are large, a frame is grey or along the edges."""
    rows, columns = np.mgrid[:256, :256]
    wide = 8 if shown == "words" else 1
    marked = (rows % 64 - 20 < wide) & (rows % 64 >= 20) & (columns > 10) & (columns < 240)
    if shown == "a rim":
        off = np.minimum(np.minimum(rows, 255 - rows), np.minimum(columns, 255 - columns))
        marked = (off == 9) | (off == 15)
    likely = np.where(marked, np.float32(0.97), np.float32(0))
    monkeypatch.setattr(LIKELY, lambda *_: likely)
    colour = np.full((256, 256, 1), 0.55 if shown == "a frame" else 0.92, np.float32)
    if shown == "drops":
        colour = 0.3 + 0.6 * np.random.default_rng(0).random((256, 256, 1), np.float32)
    picture = np.where(marked[..., None], colour, pictures.natural(256, 256)).astype(np.float32)
    found = look_for_damage(picture, stains=False)
    assert found.is_sure
    assert found.is_beyond_doubt is filled
    assert look_for_damage(pictures.grey(picture), stains=False).is_beyond_doubt


@pytest.mark.parametrize("dark", [True, False])
def test_strokes_on_white_paper_are_ink_and_white_lines_in_a_picture_are_scratches(
    monkeypatch, dark
):
    rows, columns = np.mgrid[:256, :256]
    marked = (rows % 32 < 2) & (rows > 10) & (columns > 10) & (columns < 240)
    monkeypatch.setattr(LIKELY, lambda *_: np.where(marked, np.float32(0.97), np.float32(0)))
    ground, line = (0.97, 0.1) if dark else (0.4, 0.95)
    page = np.where(marked[..., None], line, np.full((256, 256, 3), ground)).astype(np.float32)
    assert look_for_damage(page, stains=False).mask.any() is np.bool_(not dark)


def test_stains_speak_for_a_damaged_print_also_where_they_are_left(monkeypatch):
    """As the recipe `auto` looks for damage, which fills no stains."""
    rows, columns = np.mgrid[:256, :256]
    line = (rows == 20) & (columns > 10) & (columns < 240)
    blots = (np.abs(rows % 86 - 43) < 6) & (np.abs(columns % 86 - 43) < 6) & (rows > 86)
    found = {}
    for name, marked in (("both", line | blots), ("line", line)):
        likely = np.where(marked, np.float32(0.97), np.float32(0))
        monkeypatch.setattr(LIKELY, lambda *_, p=likely: p)
        picture = bare(pictures.grey(pictures.natural(256, 256)), marked)
        found[name] = look_for_damage(picture, stains=False)
    assert found["both"].is_beyond_doubt
    assert found["both"].mask[line].mean() > 0.9
    assert not found["both"].mask[blots].any()
    assert not found["line"].is_beyond_doubt


@pytest.mark.parametrize("even", [True, False], ids=["dots", "dust"])
def test_spots_of_one_size_are_a_pattern_and_of_many_sizes_dust(monkeypatch, even):
    """The dots of an umbrella were erased."""
    rng, spots = np.random.default_rng(2), np.zeros((320, 320), bool)
    for row in range(20, 300, 28):
        for column in range(20, 300, 28):
            spots[row : row + 5, column : column + 5] = even
            size = 3 if rng.random() < 0.85 else 6
            spots[row : row + size, column : column + size] |= not even
    monkeypatch.setattr(LIKELY, lambda *_: np.where(spots, np.float32(0.99), np.float32(0)))
    found = look_for_damage(bare(pictures.grey(pictures.natural(320, 320)), spots), stains=False)
    assert found.is_sure
    assert found.is_beyond_doubt is not even
