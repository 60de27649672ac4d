"""The benchmark of first guesses at hazed photos."""

import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import haze
from benchmarks.errors import BenchmarkError
from benchmarks.sets import DERIVED
from support import pictures
from training.metrics import psnr


@pytest.fixture
def photos(tmp_path):
    lines = ["file\tsource\tlicence\tsize\ttext"]
    for seed in range(3):
        name = f"{seed}.png"
        Image.fromarray(pictures.samples(pictures.natural(170, 200, seed), np.uint8)).save(
            tmp_path / name
        )
        lines.append(f"{name}\tDrawn by hand\tCC0\t1\t")
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["haze.py", *map(str, words)])
    return haze.main()


def test_the_first_guess_is_nearer_than_the_haze(photos):
    with Image.open(photos / "1.png") as image:
        clear = np.asarray(image) / 255.0
    hazy = DERIVED["haze"](clear, np.random.default_rng(1))
    assert hazy.shape == clear.shape
    assert np.ptp(hazy) < np.ptp(clear)
    ratio, likeness = haze.measure(photos / "1.png")
    assert ratio > psnr(hazy, clear) + 2
    assert 0.5 < likeness <= 1


def test_a_line_for_each_source(photos, monkeypatch, capsys):
    assert run(monkeypatch, photos, "--source", "Drawn", "--count", 2) == 0
    assert capsys.readouterr().out.startswith("Drawn: 2 photos, ")
    with pytest.raises(BenchmarkError, match="no source that begins with Painted"):
        run(monkeypatch, photos, "--source", "Painted")
    with pytest.raises(BenchmarkError, match=r"no manifest\.tsv"):
        run(monkeypatch, photos / "none", "--source", "Drawn")
