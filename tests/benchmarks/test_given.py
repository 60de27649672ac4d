"""Rows of given cases pass where the border, the finding and the picture are as asked for."""

import numpy as np
import pytest

from benchmarks import given
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.rectangle import Rectangle

SIZE, EDGE = 40, 4
INNER = Rectangle(EDGE, EDGE, SIZE, SIZE)


def diagnosis(darkness, inner=None):
    return Diagnosis(
        noise_sigma=0.0, haze=0.0, darkness=darkness, cast=0.0, grey=False, inner=inner
    )


def pictures(lit=120, border_after=255, dark=0.8):
    """Results of the dark photo with and without its border."""
    alone = np.full((SIZE, SIZE, 3), 30, np.uint8)
    whole = np.pad(alone, ((EDGE, EDGE), (EDGE, EDGE), (0, 0)), constant_values=255)
    after = np.full_like(whole, border_after)
    after[INNER.part] = lit
    return {
        "dark_no_border.png": given.Made(alone, np.full_like(alone, 120), diagnosis(0.8), ()),
        "dark_white_border_2pc.png": given.Made(whole, after, diagnosis(dark, INNER), ()),
    }


def said_of_row_two(monkeypatch, capsys, made):
    monkeypatch.setattr(given, "restoring", lambda *_: lambda name, recipe: made[name])
    code = given.main(["FOLDER", "--row", "2"])
    return code, capsys.readouterr().out


def test_the_same_inside_a_border_that_stays_passes(monkeypatch, capsys):
    code, said = said_of_row_two(monkeypatch, capsys, pictures())
    assert code == 0
    assert said.startswith("row 2 pass: dark, white border 2pc")
    assert "inside inf dB, border as it was" in said


@pytest.mark.parametrize(
    "wrong", [{"lit": 110}, {"border_after": 250}, {"dark": 0.0}], ids=lambda each: next(iter(each))
)
def test_another_picture_or_border_or_finding_fails(monkeypatch, capsys, wrong):
    code, said = said_of_row_two(monkeypatch, capsys, pictures(**wrong))
    assert code == 1
    assert said.startswith("row 2 FAIL")


def test_a_folder_without_the_pictures_is_one_sentence(tmp_path, capsys):
    assert given.main([str(tmp_path), "--row", "7"]) == 2
    assert "text_page_black_on_white.png cannot be read" in capsys.readouterr().err
