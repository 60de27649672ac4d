"""The recognition benchmark on made-up photos, with a stand-in for the engine and with itself."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from benchmarks import no_photos, recognition
from benchmarks.compared import best_gain, compare, means
from benchmarks.errors import BenchmarkError
from benchmarks.judging import DIAGNOSE, Task, engine_judge, judge_all, judged
from benchmarks.labelled import held_out, labelled, on_purpose, read, spread
from benchmarks.rivals import Rival
from benchmarks.sets import to_samples
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.colour.srgb import decode, encode
from support import pictures
from training.metrics import psnr

HEAD = "file\twhat a photographer sees\tauto today\n"


def dimmed(picture, gain):
    return to_samples(encode(decode(np.asarray(picture, float)) * gain))


def save(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path)


@pytest.fixture
def folder(tmp_path):
    """A dark photo, a hazy one, a good one and an old one that nobody finds, with references."""
    at = tmp_path / "real"
    bright = [pictures.natural(48, 64, seed) for seed in range(3)]
    save(at / "cave.png", dimmed(bright[0], 0.02))
    save(at / "cave_longer_exposure.png", dimmed(bright[0], 0.5))
    save(at / "room.png", to_samples(0.3 * bright[1] + 0.6))
    save(at / "room_reference.png", to_samples(bright[1]))
    save(at / "face.png", to_samples(bright[2]))
    save(at / "print.png", to_samples(bright[2][::-1]))
    (at / "labels.tsv").write_text(
        HEAD + 'cave.png\tfar too dark, "with lamps"\tclean\nroom.png\thazy, a room\tclean\n'
        "face.png\tgood portrait\tclean\nprint.png\tsepia, scratches\tclean\n"
    )
    return at


@pytest.fixture
def photos(tmp_path):
    """A folder with a manifest: 51 rows, of which three are held out."""
    at, lines = tmp_path / "photos", ["file\tsource\tlicence\tsize\ttext"]
    for index in range(51):
        file = f"{('permissive', 'scenes', 'research')[index // 25]}/{index}.png"
        lines.append(f"{file}\tx\tCC0\t1\t")
        if index % 25 == 0:
            gain = 0.02 if index == 25 else 1.0
            save(at / file, dimmed(pictures.natural(48, 64, index), gain))
    (at / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return at


def make_judge(threads):
    """Stands in for the engine: dark if the mean is low, hazy if black is missing; doubles both."""

    def judge(photo, recipe):
        level = photo[..., :3].mean()
        dark, haze = float(level < 50), float(np.percentile(photo[..., :3], 1) > 120)
        found = Diagnosis(noise_sigma=0.0, haze=haze, darkness=dark, cast=0.0, grey=False)
        if recipe == DIAGNOSE:
            return judged(found, None)
        factor = 2 if found.needs_work else 1
        return judged(found, np.minimum(photo[..., :3].astype(int) * factor, 255).astype(np.uint8))

    return judge


def run(*arguments):
    return recognition.main([str(one) for one in arguments], make_judge)


def test_tables_json_and_pictures(folder, photos, tmp_path, capsys, monkeypatch):
    drawn = tuple(d for d in no_photos.DRAWINGS if d.name in ("screen_terminal", "logo_on_white"))
    monkeypatch.setattr(no_photos, "DRAWINGS", drawn)
    out, rows = tmp_path / "out", tmp_path / "rows.json"
    options = ("--good", photos, "--no-photos", "--json", rows, "--pictures", out)
    assert run(folder, *options, "--recipe", "low-light", "--rivals", "none") == 0
    printed = capsys.readouterr().out
    assert "all that need help" in printed
    assert "! print.png: toned, damage | nothing" in printed
    assert "good scenes/25.png (scenes): dark |" in printed

    report = json.loads(rows.read_text())
    by_file = {one["file"]: one for one in report["photos"]}
    assert by_file["cave.png"]["found"] is by_file["room.png"]["found"] is True
    assert by_file["face.png"]["found"] is True
    assert by_file["print.png"]["found"] is False
    assert by_file["cave.png"]["touched"] is True
    assert by_file["permissive/0.png"]["touched"] is False
    assert by_file["permissive/0.png"]["to_original"] == 100.0
    assert by_file["scenes/25.png"]["touched"] is True
    assert by_file["logo_on_white"]["group"] == "no-photos"
    matrix = report["matrix"]
    assert matrix["rows"] == ["dark", "hazy", "toned", "fine", "references", "good", "no-photos"]
    assert matrix["counts"][0][matrix["columns"].index("dark")] == 1
    assert matrix["photos"][-2:] == [3, 2]
    levels = {(one["kind"], one["method"]): one for one in report["means"]}
    assert set(levels) == {
        (kind, method)
        for kind in ("longer exposure", "reference")
        for method in ("none", "auto", "low-light")
    }
    assert levels["reference", "none"]["after_gain"] is None
    exposed = levels["longer exposure", "auto"]
    assert exposed["after_gain"] > exposed["psnr"] > levels["longer exposure", "none"]["psnr"]
    assert [one["finding"] for one in report["reliability"]][:2] == ["all", "dark"]
    for name in ("confusion", "reliability", "dark", "hazy", "toned", "fine", "touched"):
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 60, name


def test_diagnose_only_restores_nothing(folder, photos, tmp_path, capsys):
    rows = tmp_path / "rows.json"
    assert run(folder, "--good", photos, "--diagnose-only", "--json", rows) == 0
    assert "auto would set to work" in capsys.readouterr().out
    report = json.loads(rows.read_text())
    assert report["compared"] == []
    assert all(one["to_original"] is None for one in report["photos"])
    assert sum(one["touched"] for one in report["photos"] if one["group"] == "good") == 1


@pytest.mark.parametrize(
    ("only", "files"),
    [
        (["dark"], {"cave.png"}),
        (["fine", "toned"], {"face.png", "print.png"}),
        (["good"], {"permissive/0.png", "scenes/25.png", "research/50.png"}),
        (["hazy", "references"], {"room.png", "room_reference.png"}),
    ],
)
def test_only_these_kinds(folder, photos, tmp_path, only, files):
    rows = tmp_path / "rows.json"
    chosen = [word for kind in only for word in ("--only", kind)]
    options = ("--good", photos, "--diagnose-only", "--json", rows)
    assert run(folder, *options, *chosen) == 0
    assert {one["file"] for one in json.loads(rows.read_text())["photos"]} == files


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda f: (f / "labels.tsv").unlink(), "cannot be read"),
        (lambda f: (f / "labels.tsv").write_text("a\tb\n1\t2\n"), "needs the columns"),
        (lambda f: (f / "labels.tsv").write_text(HEAD), "needs the columns"),
        (lambda f: (f / "labels.tsv").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda f: (f / "cave.png").unlink(), "cave.png, which is not beside it"),
        (lambda f: (f / "cave.png").write_bytes(b"no"), "cave.png cannot be read"),
        (lambda f: (f / "labels.tsv").write_text(HEAD + "cave.png\told\t\n"), "cave.png: 'old'"),
        (lambda f: (f / "labels.tsv").write_text(HEAD + "cave.png\n"), "cave.png: ''"),
        (lambda f: (f / "labels.tsv").write_text(HEAD + "cave.png\thazy\t\n" * 2), "twice"),
        (
            lambda f: save(f / "cave_longer_exposure.png", np.zeros((20, 20, 3), np.uint8)),
            "differ in size",
        ),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_one_sentence(folder, capsys, break_it, words):
    break_it(folder)
    assert run(folder, "--rivals", "none") == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to judge"),
        (["{folder}", "--only", "noise"], "--only leaves nothing"),
        (["{folder}", "{folder}"], "photos of one name"),
        (["--good", "{folder}"], "holds no manifest.tsv"),
    ],
)
def test_bad_arguments_get_one_sentence(folder, capsys, arguments, words):
    assert run(*(one.format(folder=folder) for one in arguments)) == 2
    assert words in capsys.readouterr().err


def test_only_real_kinds_and_counts_are_taken(folder, capsys):
    for wrong in (["--only", "magic"], ["--jobs", "0"], ["--limit", "-1"]):
        with pytest.raises(SystemExit):
            run(folder, *wrong)
    assert "is not 1 or more" in capsys.readouterr().err


def test_held_out_photos_are_every_25th_row_from_the_first(photos):
    found = held_out(photos)
    assert [one.name for one in found] == ["permissive/0.png", "scenes/25.png", "research/50.png"]
    assert [one.kind for one in found] == ["permissive", "scenes", "research"]
    assert spread(found, 2) == [found[0], found[1]]
    assert spread(found, None) == spread(found, 9) == found
    assert on_purpose(photos) == []


def test_transparency_counts_only_where_it_is_used(tmp_path):
    opaque = np.full((20, 20, 4), 255, np.uint8)
    save(tmp_path / "a.png", opaque)
    opaque[0, 0, 3] = 9
    save(tmp_path / "b.png", opaque)
    assert read(tmp_path / "a.png").shape == (20, 20, 3)
    assert read(tmp_path / "b.png").shape == (20, 20, 4)


@pytest.mark.parametrize("stops", [-1.5, 0.0, 2.25, 5.0])
def test_the_best_gain_is_found(stops):
    picture = pictures.natural(64, 64, 3) * 0.6
    made = dimmed(picture, 2.0**-stops)
    found, ratio = best_gain(made, to_samples(picture))
    # What is left of 8 bits after so many stops.
    assert found == pytest.approx(stops, abs=0.1 if stops < 5 else 0.4)
    again = to_samples(encode(np.clip(decode(made / 255) * 2.0**found, 0, 1)))
    assert ratio == pytest.approx(min(100, psnr(again / 255, to_samples(picture) / 255)), abs=1e-6)


def test_each_method_is_held_against_the_reference(folder):
    photo = labelled(folder)[1]
    perfect = Rival("oracle", lambda _: read(photo.reference) / 255)
    rows, made = compare(photo, {"auto": read(photo.path)}, [perfect])
    assert {one.method: one.psnr for one in rows}["oracle"] == 100.0
    assert list(made) == ["none", "auto", "oracle"]
    assert math.isclose(rows[0].psnr, rows[1].psnr)
    assert [one.n for one in means(rows)] == [1, 1, 1]
    with pytest.raises(BenchmarkError, match="no reference"):
        compare(labelled(folder)[2], {}, [])


def test_several_processes_give_the_same_answers(folder):
    tasks = [Task(one.name, one.path, "auto") for one in labelled(folder)]
    reported = []
    alone, together = (
        judge_all(tasks, jobs, make_judge, None, lambda task, _: reported.append(task.name))
        for jobs in (1, 2)
    )
    assert reported == [task.name for task in tasks] * 2
    for key, answer in alone.items():
        assert answer.words == together[key].words
        assert np.array_equal(answer.restored, together[key].restored)


def test_the_engine_itself_is_asked():
    judge = engine_judge()
    good = to_samples(pictures.natural(96, 128, 1))
    looked, restored = judge(good, DIAGNOSE), judge(good, "auto")
    assert looked.restored is None
    assert looked.named == restored.named == ()
    assert np.array_equal(restored.restored, good)
    dark = judge(dimmed(pictures.natural(96, 128, 1), 0.02), DIAGNOSE)
    assert dark.named == ("dark",)
    assert dark.needs_work
