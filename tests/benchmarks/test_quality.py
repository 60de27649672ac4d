"""The quality benchmark on a small made-up set, with a stand-in for the engine."""

import csv
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from benchmarks import quality
from benchmarks.report import Row, Score, mean_row, print_tables
from benchmarks.rivals import RIVALS, chosen
from benchmarks.sets import DERIVED, derive, load
from benchmarks.sheet import Cell, contact_sheet

KEYS = ["set", "method", "n", "psnr", "ssim", "lpips", "seconds", "cpu_per_megapixel"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three dark pairs of 48x48."""
    rng = np.random.default_rng(0)
    for name in ("degraded", "reference"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for index in range(3):
        clean = np.kron(rng.integers(40, 250, (6, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        Image.fromarray(clean).save(tmp_path / f"set/reference/{index}.png")
        Image.fromarray(clean // 4).save(tmp_path / f"set/degraded/{index}.png")
    return tmp_path / "set"


def brighten(recipe: str, seed: int):
    """Stands in for the engine: `auto` undoes the darkening, other recipes do half of it."""
    factor = 4 if recipe == "auto" else 2
    return lambda photo: np.minimum(photo.astype(np.uint16) * factor, 255).astype(np.uint8)


def rows_of(path: Path) -> dict[str, dict]:
    return {row["method"]: row for row in json.loads(path.read_text())}


def test_table_json_csv_pictures_and_sheet(folder, tmp_path, capsys):
    out = tmp_path / "out"
    code = quality.main(
        f"--set tiny={folder} --recipe auto --recipe paper --rivals fast --out {out} "
        f"--json {tmp_path}/rows.json --details {tmp_path}/rows.csv --sheets {out}/sheets".split(),
        factory=brighten,
    )
    assert code == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert all(list(row) == KEYS for row in rows)
    assert [row["method"] for row in rows][:4] == ["degraded", "auto", "paper", "gamma"]
    assert all(row["set"] == "tiny" and row["n"] == 3 and row["lpips"] is None for row in rows)
    assert all(isinstance(row[key], float) for row in rows for key in KEYS[3:5] + KEYS[6:])
    found = rows_of(tmp_path / "rows.json")
    # Undone up to the two bits the darkening took: an error below 4 of 255.
    assert found["auto"]["psnr"] > 40 > found["paper"]["psnr"] > found["degraded"]["psnr"]
    assert found["auto"]["ssim"] > 0.99
    with (tmp_path / "rows.csv").open() as file:
        details = list(csv.DictReader(file))
    assert len(details) == 3 * len(rows)
    names = "set file method psnr ssim lpips seconds cpu_seconds megapixels"
    assert list(details[0]) == names.split()
    assert {float(line["megapixels"]) for line in details} == {48 * 48 / 1e6}
    assert len(list((out / "tiny/auto").iterdir())) == 3
    with Image.open(out / "sheets/tiny.png") as sheet:
        assert sheet.width > 4 * 48
        assert sheet.height > 3 * 48
    printed = capsys.readouterr().out
    for method in found:
        assert method in printed


def test_cpu_seconds_are_those_of_all_threads_by_megapixel(folder, tmp_path):
    def until(end: float) -> None:
        while time.thread_time() < end:
            pass

    def restore(photo):
        threads = [threading.Thread(target=until, args=[0.1]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Time that passes without work is not counted.
        time.sleep(0.5)
        return photo

    path = tmp_path / "rows.json"
    arguments = ["--set", f"a={folder}", "--limit", "2", "--json", str(path)]
    quality.main(arguments, factory=lambda recipe, seed: restore)
    row = rows_of(path)["auto"]
    assert 0.2 <= row["cpu_per_megapixel"] * 48 * 48 / 1e6 < 0.45
    assert row["seconds"] >= 0.5


def test_the_mean_cost_weighs_photos_by_their_size():
    def score(cpu: float, megapixels: float) -> Score:
        return Score(
            set="a",
            file="b.png",
            method="c",
            psnr=30.0,
            ssim=0.9,
            lpips=None,
            seconds=1.0,
            cpu_seconds=cpu,
            megapixels=megapixels,
        )

    assert mean_row([score(1.0, 1.0), score(2.0, 5.0)]).cpu_per_megapixel == pytest.approx(0.5)


def test_the_table_fits_into_80_characters(capsys):
    row = Row(
        set="grey-noise",
        method="bm3d + linear gain",
        n=24,
        psnr=33.33,
        ssim=0.987,
        lpips=0.123,
        seconds=123.45,
        cpu_per_megapixel=1234.56,
    )
    print_tables([row], Console(width=80))
    printed = capsys.readouterr().out
    for word in ("grey-noise", "bm3d + linear gain", " 24 ", "33.33", "0.123", "123.45", "1234.56"):
        assert word in printed
    assert "…" not in printed


def test_published_figures_are_marked_as_such(folder, capsys):
    quality.main(["--set", f"lol={folder}", "--limit", "1"], factory=brighten)
    printed = capsys.readouterr().out
    assert "Not measured here" in printed
    assert "LD-RPS" in printed
    assert "kodak24" not in printed


def test_limit_takes_the_first_photos(folder, tmp_path):
    path = tmp_path / "rows.json"
    quality.main(["--set", f"a={folder}", "--limit", "2", "--json", str(path)], factory=brighten)
    assert {row["n"] for row in json.loads(path.read_text())} == {2}


def test_equal_photos_score_a_number(folder, tmp_path):
    path = tmp_path / "rows.json"
    arguments = ["--derive", f"clean={folder}", "--recipe", "none", "--json", str(path)]
    assert quality.main(arguments) == 0
    assert rows_of(path)["degraded"]["psnr"] == 100.0


def test_seed_and_recipe_reach_the_engine(folder):
    asked = []

    def factory(recipe, seed):
        asked.append((recipe, seed))
        return lambda photo: photo

    arguments = ["--set", f"a={folder}", "--recipe", "pilot", "--recipe", "haze", "--seed", "7"]
    quality.main(arguments, factory=factory)
    assert asked == [("pilot", 7), ("haze", 7)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no set was given"),
        (["--set", "lol"], "is not NAME=DIR"),
        (["--set", "../a=x"], "is not NAME=DIR"),
        (["--set", "lol=/nowhere"], "there is no folder"),
        (["--set", "a={folder}", "--set", "a={folder}"], "same name"),
        (["--set", "a={folder}", "--recipe", "magic"], "recipe 'magic' is not known"),
        (["--derive", "rain={folder}"], "cannot derive 'rain'"),
        (["--set", "a={folder}", "--json", "{folder}/no/a.json"], "--json"),
        (["--set", "a={folder}", "--details", "{folder}"], "--details"),
        (["--set", "a={folder}", "--chart", "{folder}/no/a.png"], "--chart"),
        (["--set", "a={folder}", "--chart", "{folder}/a.txt"], "is no kind of picture"),
        (["--set", "a={folder}", "--ffdnet", "{folder}/none.pth"], "there is no file"),
    ],
)
def test_bad_arguments_get_one_sentence(folder, capsys, arguments, sentence):
    assert quality.main([a.format(folder=folder) for a in arguments], factory=brighten) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("option", [["--limit", "0"], ["--rivals", "some"], ["--threads", "x"]])
def test_values_out_of_range_are_refused(folder, option):
    with pytest.raises(SystemExit) as stop:
        quality.main(["--set", f"a={folder}", *option], factory=brighten)
    assert stop.value.code == 2


def test_unmatched_unreadable_and_misfitting_files_are_named(folder, capsys):
    (folder / "degraded/extra.png").write_bytes(b"")
    assert quality.main(["--set", f"a={folder}"], factory=brighten) == 2
    assert "extra.png is in only one" in capsys.readouterr().err
    (folder / "reference/extra.png").write_bytes(b"")
    assert quality.main(["--set", f"a={folder}"], factory=brighten) == 2
    assert "cannot be read" in capsys.readouterr().err
    for name, side in (("degraded", 40), ("reference", 48)):
        Image.new("RGB", (side, side)).save(folder / name / "extra.png")
    assert quality.main(["--set", f"a={folder}"], factory=brighten) == 2
    assert "another size" in capsys.readouterr().err


def test_missing_lpips_weights_are_one_sentence(folder, capsys):
    pytest.importorskip("safetensors")
    arguments = ["--set", f"a={folder}", "--lpips", str(folder / "none.safetensors")]
    assert quality.main(arguments, factory=brighten) == 6
    assert "does not hold LPIPS weights" in capsys.readouterr().err


def test_a_rival_without_its_library_is_left_out(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.rivals.importlib.util.find_spec", lambda name: None)
    path = tmp_path / "rows.json"
    arguments = ["--set", f"a={folder}", "--rivals", "all", "--recipe", "none"]
    assert quality.main([*arguments, "--json", str(path)]) == 0
    assert list(rows_of(path)) == ["degraded", "gamma", "gain"]
    assert "bm3d is left out" in capsys.readouterr().err


def test_runs_as_a_script_from_anywhere(folder, tmp_path):
    script = Path(quality.__file__)
    arguments = ["--set", f"a={folder}", "--recipe", "none"]
    done = subprocess.run(
        [sys.executable, str(script), *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "degraded" in done.stdout


@pytest.mark.parametrize("kind", DERIVED)
def test_derived_sets_are_the_same_every_time(folder, kind):
    first, second = derive(kind, folder), derive(kind, folder, limit=2)
    assert first.name == kind
    for a, b in zip(first.pairs, second.pairs, strict=False):
        assert np.array_equal(a.degraded, b.degraded)
    grey = all(np.ptp(pair.degraded, axis=2).max() == 0 for pair in first.pairs)
    assert grey == kind.startswith("grey")


def test_derived_noise_has_sigma_25(folder):
    pairs = zip(derive("grey-noise", folder).pairs, derive("grey", folder).pairs, strict=True)
    errors = [np.subtract(a.degraded, b.degraded, dtype=float) for a, b in pairs]
    # Clipping takes a little off.
    assert np.std(errors) == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_white_noise_has_its_sigma_and_is_known_to_have_it(folder, sigma):
    for path in (folder / "reference").iterdir():
        Image.new("RGB", (64, 64), (128, 128, 128)).save(path)
    white = derive(f"white-{sigma}", folder)
    noise = np.array([pair.degraded for pair in white.pairs]) - 128.0
    assert white.sigma == sigma
    # Of 50, what leaves 0 to 255 is clipped: 1.0 % of the samples, and 1.5 % of the deviation.
    assert noise.std() == pytest.approx(sigma * (0.985 if sigma == 50 else 1), rel=0.015)
    assert abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.05
    assert abs(np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]) < 0.05
    assert (noise.max() == 127) == (noise.min() == -128) == (sigma == 50)


def test_sigma_is_known_where_noise_was_added_here(folder):
    assert load("a", folder).sigma is None
    found = {kind: derive(kind, folder, 1).sigma for kind in DERIVED if "white" not in kind}
    assert found == {
        "clean": None, "grey": None, "haze": None, "dark-noise": 25.0, "grey-noise": 25.0,
    }  # fmt: skip


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_rivals_give_finite_photos_for_awkward_ones(folder, rival):
    if rival.missing() or rival.name == "bm3d":
        pytest.skip("not installed, or takes seconds")
    photo = load("a", folder, 1).pairs[0].degraded / 255.0
    for awkward in (photo, photo * 0, photo * 0 + 1, photo[..., :1].repeat(3, axis=2)):
        result = rival.run(awkward)
        assert result.shape == photo.shape
        assert np.isfinite(result).all()


def test_a_long_sheet_is_broken_into_blocks():
    row = [Cell(np.zeros((48, 48, 3), np.uint8), "a")] * 2
    short, long = (contact_sheet(["x", "y"], [row] * count) for count in (8, 9))
    assert long.height == short.height
    assert long.width > 2 * short.width


def test_fast_rivals_are_some_of_all():
    assert chosen("none") == ()
    assert set(chosen("fast")) < set(chosen("all"))
