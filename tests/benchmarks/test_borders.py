"""The benchmark of borders on two photos that were made here."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import borders
from support import pictures


@pytest.fixture
def folder(tmp_path):
    """Two photos, the second with a border of its own."""
    natural = pictures.samples(pictures.natural(170, 200), np.uint8)
    Image.fromarray(natural).save(tmp_path / "a.png")
    Image.fromarray(np.pad(natural, ((9, 9), (7, 7), (0, 0)))).save(tmp_path / "b.png")
    lines = ["file\tsource\tlicence\tsize\ttext", *(f"{n}.png\t-\t-\t-\t-" for n in "ab")]
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_every_border_is_judged_and_what_has_a_frame_is_named(folder, capsys, tmp_path):
    sheet = tmp_path / "sheet.png"
    arguments = [str(folder), "--photos", "1", "--every", "1", "--sheet", str(sheet)]
    assert borders.main(arguments) == 0
    said = capsys.readouterr().out
    assert said.count("4 of 4 | 4 of 4") == 12
    assert said.endswith("photos as they are: 2, with a frame: 1\nb.png\n")
    assert sheet.is_file()


def test_too_few_photos_are_one_sentence(folder, capsys):
    assert borders.main([str(folder), "--photos", "2", "--every", "1"]) == 2
    assert "fewer than 2 photos" in capsys.readouterr().err
