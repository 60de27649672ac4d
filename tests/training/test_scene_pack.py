"""Crops of photos: packed whole, held out by the manifest, refused in one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from support import pictures
from training.__main__ import main
from training.config import TrainingError
from training.scene_pack import HOLDOUT_EVERY, SIDE, load_pack, pack_scenes


def refusal(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    reported = capsys.readouterr().err
    assert reported.startswith("training: ")
    assert "Traceback" not in reported
    return reported


def test_every_25th_photo_is_held_out_and_the_others_give_two_crops_on_average(scenes):
    pixels, crops = load_pack(scenes)
    assert pixels.shape == (len(crops), SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    held = {crop.file for crop in crops if crop.held_out}
    assert held == {"permissive/0.png", f"permissive/{HOLDOUT_EVERY}.png"}
    assert not held & {crop.file for crop in crops if not crop.held_out}
    assert {crop.source for crop in crops} == {"some"}
    assert len(crops) == 2 + 2 * 28


def test_the_first_crop_is_the_middle_of_the_photo(scene_photos, scenes):
    pixels, _ = load_pack(scenes)
    with Image.open(scene_photos / "permissive/0.png") as image:
        box = (8, 0, 88, 80)
        middle = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box, 2.0)
    np.testing.assert_array_equal(pixels[0], np.asarray(middle))


def test_the_same_photos_make_the_same_pack(scene_photos, scenes, tmp_path):
    pack_scenes([scene_photos], tmp_path / "again")
    for name in ("scenes.npy", "scenes.json"):
        assert (tmp_path / "again" / name).read_bytes() == (scenes / name).read_bytes()


def test_several_folders_make_one_pack(scene_photos, photos, scenes, tmp_path):
    pack_scenes([scene_photos, photos], tmp_path / "both")
    assert len(load_pack(tmp_path / "both")[1]) > len(load_pack(scenes)[1])


def test_photos_that_cannot_be_read_are_counted(photos, tmp_path, write_manifest):
    folder = tmp_path / "photos"
    (folder / "permissive").mkdir(parents=True)
    Image.fromarray(pictures.samples(pictures.natural(), np.uint8)).save(
        folder / "permissive/good.png"
    )
    (folder / "permissive/cut.png").write_bytes((photos / "permissive/0.png").read_bytes()[:4000])
    (folder / "permissive/none.png").write_bytes(b"")
    rows = [(f"permissive/{name}.png", "") for name in ("good", "cut", "none", "gone")]
    write_manifest(folder, rows)
    with pytest.warns(UserWarning, match="skipped 3 photos: unreadable"):
        pack_scenes([folder], tmp_path / "scenes")
    assert {crop.file for crop in load_pack(tmp_path / "scenes")[1]} == {"permissive/good.png"}


def test_photos_of_other_tiers_are_left_out(photos, tmp_path):
    with pytest.raises(TrainingError, match="no usable photo of research"):
        pack_scenes([photos], tmp_path / "scenes", tiers=("research",))
    assert not (tmp_path / "scenes").exists()


def test_a_folder_without_a_manifest_is_refused(tmp_path, capsys):
    reported = refusal(capsys, "--work", tmp_path / "work", "pack-scenes", tmp_path)
    assert "manifest.tsv cannot be read" in reported
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("command", ["pack", "pack-scenes"])
def test_a_manifest_without_a_column_is_refused_by_its_name(tmp_path, capsys, command):
    (tmp_path / "manifest.tsv").write_text("file\tlicence\ttext\npermissive/a.png\tCC0\t\n")
    reported = refusal(capsys, "--work", tmp_path / "work", command, tmp_path)
    assert "manifest.tsv, row 2: no source" in reported


@pytest.mark.parametrize(
    "command",
    [
        ("fit-expectation", "out"),
        ("fit-recogniser", "out"),
        ("train-scene", "--minutes", "1"),
    ],
)
def test_without_a_pack_one_sentence_says_what_to_do(tmp_path, capsys, command):
    reported = refusal(capsys, "--work", tmp_path, *command)
    assert "holds no scenes" in reported
    assert "run `pack-scenes` first" in reported


@pytest.mark.parametrize("broken", ["[", '[{"strange": 1}]', "[]"])
def test_a_broken_pack_is_refused(scenes, tmp_path, broken):
    (tmp_path / "scenes.npy").write_bytes((scenes / "scenes.npy").read_bytes())
    (tmp_path / "scenes.json").write_text(broken)
    with pytest.raises(TrainingError, match="pack-scenes"):
        load_pack(tmp_path)


def test_a_pack_that_fails_leaves_the_one_before(scenes, photos, tmp_path):
    before = json.loads((scenes / "scenes.json").read_text())
    with pytest.raises(TrainingError):
        pack_scenes([photos, tmp_path / "none"], scenes)
    assert json.loads((scenes / "scenes.json").read_text()) == before
