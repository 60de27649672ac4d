"""The benchmark of the diagnosis: its cases, its matrix, its exit codes."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import cases as made
from benchmarks.diagnosis import Outcome, draw_matrix, main, main_call, matrix, summary
from ldrps_engine.analysis.diagnosis import Diagnosis
from support import pictures


@pytest.fixture
def photos(tmp_path):
    """A folder of training photos: good ones, and some that are no use as cases."""
    (tmp_path / "permissive").mkdir()
    lines = ["file\tsource\tlicence\tsize\ttext"]
    for seed in range(14):
        picture = pictures.natural(170, 200, seed)
        if seed == 0:
            picture = pictures.grey(picture)
        name = f"permissive/{seed}.png"
        Image.fromarray(pictures.samples(picture, np.uint8)).save(tmp_path / name)
        lines.append(f"{name}\tsome\tCC0\t1\t")
    lines.append("research/other.png\tsome\tCC0\t1\t")
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def a_few(monkeypatch):
    kinds = tuple(made.Kind(k.truth, k.degrade, k.strengths, k.sigma, 1) for k in made.KINDS)
    monkeypatch.setattr(made, "KINDS", kinds)
    return kinds


def test_each_case_is_another_coloured_photo_degraded_as_it_says(photos, monkeypatch):
    kinds = a_few(monkeypatch)
    found = list(made.cases(photos, seed=3))
    assert [case.truth for case in found] == [kind.truth for kind in kinds]
    for case in found:
        assert case.pixels.min() >= 0
        assert case.pixels.max() <= 1
        spread = np.percentile(np.ptp(case.pixels, axis=2), 99)
        assert (spread < 0.01) == (case.truth in ("grey", "faded"))
    levels = {case.truth: case.pixels.mean() for case in found}
    assert levels["dark"] < levels["clean"] < levels["hazy"]
    assert {case.sigma for case in found if case.truth == "noisy"} == {5.0}


def test_the_same_seed_gives_the_same_cases_and_another_gives_others(photos, monkeypatch):
    a_few(monkeypatch)
    first, again, other = (list(made.cases(photos, seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({}, "clean"),
        ({"noise_sigma": 20.0}, "noisy"),
        ({"grey": True, "noise_sigma": 20.0}, "grey"),
        ({"grey": True, "haze": 0.5}, "faded"),
        ({"haze": 0.5, "noise_sigma": 20.0}, "hazy"),
        ({"darkness": 0.5, "grey": True}, "dark"),
    ],
)
def test_the_main_call_is_tone_before_colour_before_noise(found, word):
    nothing = {"noise_sigma": 0.0, "haze": 0.0, "darkness": 0.0, "cast": 0.0, "grey": False}
    assert main_call(Diagnosis(**(nothing | found))) == word


def test_the_summary_counts_what_is_right():
    outcomes = [
        Outcome("clean", "clean", "0", 0.0, 1.0),
        Outcome("clean", "hazy", "0", 0.0, 1.0),
        Outcome("noisy", "noisy", "10", 10.0, 11.4),
        Outcome("noisy", "noisy", "10", 10.0, 12.0),
    ]
    assert summary(outcomes) == {
        "cases": 4,
        "right": 0.75,
        "clean called clean": 0.5,
        "noise within 15 %": 0.5,
    }
    counts = matrix(outcomes)
    assert counts[0] == [1, 0, 1, 0, 0, 0]
    picture = np.asarray(draw_matrix(counts))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5


def test_the_command_prints_and_writes(photos, monkeypatch, tmp_path, capsys):
    a_few(monkeypatch)
    report, picture = tmp_path / "report.json", tmp_path / "matrix.png"
    assert main([str(photos), "--json", str(report), "--matrix", str(picture)]) == 0
    assert "| clean |" in capsys.readouterr().out
    assert json.loads(report.read_text())["cases"] == len(made.KINDS)
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 500


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "manifest.tsv").unlink(), "holds no manifest.tsv"),
        (lambda folder: None, "too few coloured photos"),
    ],
)
def test_a_folder_without_photos_is_one_sentence(photos, capsys, break_it, words):
    break_it(photos)
    assert main([str(photos)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
