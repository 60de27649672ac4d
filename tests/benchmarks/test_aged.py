"""Damage drawn for measuring, and the command that measures how it is filled."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawn.damage import KINDS, drawn, scanned
from ldrps_engine.analysis.faces import Face
from support import pictures


@pytest.mark.parametrize("kind", KINDS)
def test_damage_lies_where_the_mask_says_and_is_the_same_for_a_seed(kind):
    clean = pictures.natural(160, 200).astype(np.float64)
    damaged, mask = drawn(clean, kind, np.random.default_rng(4))
    assert 0 < mask.mean() < 0.5
    assert np.array_equal(damaged[~mask], clean[~mask])
    assert damaged[mask].min() > 0.65
    again, same = drawn(clean, kind, np.random.default_rng(4))
    assert np.array_equal(mask, same)
    assert np.array_equal(damaged, again)


def test_casts_are_measured_against_what_people_use(tmp_path, capsys):
    aged = pytest.importorskip("benchmarks.aged", exc_type=ImportError)
    picture = pictures.samples(pictures.natural(256, 256), np.uint8)
    Image.fromarray(picture).save(tmp_path / "one.png")
    (tmp_path / "manifest.tsv").write_text(
        "file\tsource\tlicence\tsize\ttext\none.png\tus\tCC0\t256x256\t\n"
    )
    assert aged.main([str(tmp_path), "--casts", "--without-prior"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("3 cases")
    assert [line.split()[0] for line in out[2:6]] == ["cast", "faded", "both", "mean"]
    assert all("dB over the best of the others" in line for line in out[6:])
    slides = [str(tmp_path), "--casts", "--slides", "--without-prior"]
    assert aged.main(slides) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("1 cases")
    assert [line[:12].strip() for line in out[2:4]] == ["red slide", "mean"]


def test_the_command_prints_a_line_for_each_kind(tmp_path, capsys):
    aged = pytest.importorskip("benchmarks.aged", exc_type=ImportError)
    picture = pictures.samples(pictures.natural(256, 256), np.uint8)
    Image.fromarray(picture).save(tmp_path / "one.png")
    (tmp_path / "manifest.tsv").write_text(
        "file\tsource\tlicence\tsize\ttext\none.png\tus\tCC0\t256x256\t\n"
    )
    sheet = tmp_path / "sheet.png"
    assert aged.main([str(tmp_path), "--count", "1", "--sheet", str(sheet)]) == 0
    out = capsys.readouterr().out
    figures = {line[:20].strip(): line[20:].split() for line in out.splitlines()[2:8]}
    assert figures.keys() == KINDS.keys()
    for none, *filled in figures.values():
        assert all(float(score) > float(none) for score in filled)
    assert sheet.exists()


def test_a_scan_is_softer_the_more_it_is_blurred_and_the_same_for_a_seed():
    clean = pictures.natural(160, 200).astype(np.float64)
    sharp, soft = (scanned(clean, blur, 3) for blur in (0.5, 1.2))
    steps = [np.abs(np.diff(each, axis=1)).mean() for each in (clean, sharp, soft)]
    assert steps[2] < steps[1]
    assert 0.002 < np.abs(sharp - clean).mean() < 0.1
    assert np.array_equal(sharp, scanned(clean, 0.5, 3))
    assert sharp.min() >= 0
    assert sharp.max() <= 1


def test_the_finder_is_measured_on_scans_too(tmp_path, capsys):
    finder = pytest.importorskip("benchmarks.damage", exc_type=ImportError)
    picture = pictures.samples(pictures.natural(192, 192), np.uint8)
    Image.fromarray(picture).save(tmp_path / "one.png")
    (tmp_path / "manifest.tsv").write_text(
        "file\tsource\tlicence\tsize\ttext\none.png\tus\tCC0\t192x192\t\n"
    )
    tables = []
    for more in ((), ("--scanned",)):
        assert finder.main([str(tmp_path), "--count", "1", "--undamaged", "0", *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line[:14].strip() for line in lines[1:]] == [*KINDS, "all"]
        tables.append([float(line.split()[-1]) for line in lines[1:]])
    assert all(np.isfinite(score) for table in tables for score in table)
    assert tables[0] != tables[1]


def test_a_crack_through_a_face_lies_where_its_mask_says_and_is_faint_on_it():
    faces = pytest.importorskip("benchmarks.cracked_faces", exc_type=ImportError)
    clean = np.full((120, 160, 3), 0.3)
    face = Face(0.9, (60 / 160, 0.5), (0.4, 0.4), ())
    damaged, crack = faces.cracked(clean, face, np.random.default_rng(1))
    assert np.abs(damaged - clean)[~crack].max() < 0.2
    away = crack.copy()
    away[:, 40:120] = False
    assert crack[:, 60:100].any()
    assert damaged[crack & ~away].mean() < damaged[away].mean()
    assert np.ptp(np.nonzero(crack.any(0))[0]) == 159
