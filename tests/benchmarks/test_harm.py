"""The benchmark of harm on made-up photos: what would be touched, for what, and what needs it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks import harm
from ldrps_engine.analysis.diagnosis import Diagnosis
from support import pictures


@pytest.fixture
def photos(tmp_path):
    """A manifest of 60 rows: 20 of the research tier, of the others every 25th is held out."""
    lines = ["file\tsource\tlicence\tsize\ttext"]
    for number in range(60):
        tier = "research" if number >= 40 else "permissive"
        file = f"{tier}/{number}.png"
        lines.append(f"{file}\tx\tCC0\t1\t")
        at = tmp_path / file
        at.parent.mkdir(exist_ok=True)
        picture = pictures.natural(96, 128, number)
        if number == 25:
            picture = picture + np.random.default_rng(0).normal(0, 0.1, picture.shape)
        Image.fromarray(pictures.samples(np.clip(picture, 0, 1), np.uint8)).save(at)
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_pools_hold_what_nothing_was_trained_on_in_an_order_of_their_own(photos):
    held = harm.pool(photos, ["held-out"], 0)
    assert sorted(held) == ["permissive/0.png", "permissive/25.png", "research/50.png"]
    both = harm.pool(photos, harm.POOLS, 3)
    assert len(both) == len(set(both)) == 22
    assert both == harm.pool(photos, harm.POOLS, 3) != harm.pool(photos, harm.POOLS, 4)


def test_causes_are_what_auto_sets_to_work_for():
    plain = Diagnosis(noise_sigma=0, haze=0, darkness=0, cast=0, grey=False)
    assert harm.causes(plain) == ()
    worse = Diagnosis(noise_sigma=9, haze=0, darkness=0.4, cast=0, grey=False, hot_pixels=2)
    assert harm.causes(worse) == ("light", "noise", "hot pixels")
    # What is named and not filled is no cause.
    named = Diagnosis(
        noise_sigma=0, haze=0, darkness=0, cast=0, grey=False, probabilities={"damaged": 0.6}
    )
    assert harm.causes(named) == ()
    assert harm.causes(replace(worse, graphic=True)) == ()


def test_the_noisy_one_is_touched_and_distinguished_from_what_needs_it(
    photos, tmp_path, monkeypatch, capsys
):
    found, sheet = tmp_path / "rows.json", tmp_path / "sheet.png"
    options = [str(photos), "--pool", "held-out", "--json", str(found)]
    assert harm.main([*options, "--sheet", str(sheet)]) == 0
    assert "1 of 3 touched (33.3 %), 1 without need (33.3 %)" in capsys.readouterr().out
    (touched,) = json.loads(found.read_text())["good photos"]["touched"]
    assert touched["name"] == "permissive/25.png"
    assert "noise" in touched["causes"]
    with Image.open(sheet) as drawn:
        assert drawn.width > 4 * 160
    known = tmp_path / "truth.tsv"
    known.write_text("file\tneeds\tseen\npermissive/25.png\tnoise\tdrawn\n")
    monkeypatch.setattr(harm, "TRUTH", known)
    assert harm.main(options) == 0
    assert "1 of 3 touched (33.3 %), 0 without need (0.0 %)" in capsys.readouterr().out


def test_the_order_may_be_begun_anywhere(photos, capsys):
    assert harm.main([str(photos), "--pool", "held-out", "--skip", "1", "--count", "1"]) == 0
    assert "of 1 touched" in capsys.readouterr().out


def test_nothing_to_judge_is_reported(tmp_path, capsys):
    assert harm.main([]) == 2
    assert "nothing to judge" in capsys.readouterr().err
    assert harm.main([str(tmp_path)]) == 2
    assert "manifest.tsv" in capsys.readouterr().err


def test_the_table_of_needs_names_known_causes():
    needs = harm.truth()
    assert needs
    assert all(causes and causes <= set(harm.CAUSES) for causes in needs.values())
