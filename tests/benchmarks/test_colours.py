"""Colours given to photos without them, by kind: what is measured, and what is refused."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks import colours
from benchmarks.errors import BenchmarkError
from support import pictures


@pytest.fixture
def photos(tmp_path):
    """A cat, and the same without its colours."""
    cat = Image.fromarray(data.chelsea())
    cat.save(tmp_path / "cat.png")
    cat.convert("L").save(tmp_path / "grey.png")
    return tmp_path


def test_the_true_colours_gain_most_and_are_as_colourful(photos):
    true = colours.coloured(photos / "cat.png", 0)
    assert min(true.reference.shape[:2]) == 256
    assert np.ptp(true.grey, axis=2).max() == 0
    done = colours.Coloured("cat", true.reference, true.grey, true.reference)
    assert done.gain > 50
    assert "100% as colourful" in colours.summary("cats", [done], None)
    left = colours.Coloured("cat", true.reference, true.grey, true.grey)
    assert left.gain == 0
    assert ", 0% as colourful" in colours.summary("cats", [left], None)


def test_a_photo_without_colours_is_left_out(photos):
    assert colours.coloured(photos / "grey.png", 0) is None


def test_the_command_prints_each_kind_and_the_mean(photos, tmp_path, capsys, monkeypatch):
    sheets = tmp_path / "sheets"
    (photos / "reference").mkdir()
    (photos / "cat.png").rename(photos / "reference/cat.png")
    arguments = ["colours.py", "--set", f"cats={photos}", "--sheets", str(sheets)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert colours.main() == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("cats: 1 photos, +")
    assert last.startswith("mean of 1 kinds: +")
    assert (sheets / "cats.png").exists()


@pytest.mark.parametrize("text", ["cats", "cats=nowhere"])
def test_a_set_without_photos_is_refused(text):
    given = SimpleNamespace(set=[text], source=[])
    with pytest.raises(BenchmarkError, match="names no photos; give NAME=DIR"):
        list(colours.kinds(given))


def test_a_kind_with_no_coloured_photo_is_refused(tmp_path, monkeypatch):
    grey = Image.fromarray(pictures.samples(pictures.natural(), np.uint8)).convert("L")
    grey.save(tmp_path / "grey.png")
    monkeypatch.setattr(sys, "argv", ["colours.py", "--set", f"old={tmp_path}"])
    with pytest.raises(BenchmarkError, match="old has no photo with colours"):
        colours.main()
