"""Photos are packed whole; unfit ones are skipped, counted and named by reason."""

import itertools
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from support import pictures
from training.config import TrainingError
from training.photos import PhotoPack, pack


@pytest.fixture
def folder(photos, tmp_path, write_manifest):
    """A folder with one good picture, to which bad ones are added."""
    folder = tmp_path / "photos"
    (folder / "permissive").mkdir(parents=True)
    shutil.copy(photos / "permissive/0.png", folder / "permissive/good.png")
    write_manifest(folder, [("permissive/good.png", "good")])
    return folder


def add(folder, data, write_manifest):
    """Files by name, from bytes or images."""
    for name, content in data.items():
        path = folder / "permissive" / name
        path.write_bytes(content) if isinstance(content, bytes) else content.save(path)
    rows = [(f"permissive/{name}", "") for name in ("good.png", *data)]
    write_manifest(folder, rows)


def image(height=80, width=96, mode="RGB", seed=0):
    samples = pictures.samples(pictures.natural(height, width, seed), np.uint8)
    return Image.fromarray(samples).convert(mode)


def grey_rgb():
    samples = pictures.samples(pictures.grey(pictures.natural(80, 96)), np.uint8)
    return Image.fromarray(samples)


def truncated(photos):
    return (photos / "permissive/0.png").read_bytes()[:4000]


BAD = {
    "mode L": lambda _: {"a.png": image(mode="L"), "b.png": image(mode="L")},
    "mode CMYK": lambda _: {"a.jpg": image(mode="CMYK"), "b.jpg": image(mode="CMYK")},
    "mode P": lambda _: {"a.png": image(mode="P"), "b.png": image(mode="P")},
    "too small": lambda _: {"a.png": image(63, 96), "b.png": image(80, 20)},
    "grey": lambda _: {"a.png": grey_rgb(), "b.png": grey_rgb()},
    "unreadable": lambda photos: {"a.png": truncated(photos), "b.png": b"no image", "c.png": b""},
}


@pytest.mark.parametrize("reason", BAD)
def test_unfit_photos_are_skipped_with_a_counted_warning(
    folder, tmp_path, photos, config, reason, write_manifest
):
    bad = BAD[reason](photos)
    add(folder, bad, write_manifest)
    with pytest.warns(UserWarning, match=f"^skipped {len(bad)} photos: {reason}$"):
        pack([folder], tmp_path / "work", config)
    assert len(PhotoPack(tmp_path / "work", config).photos) == 1


def test_a_file_of_the_manifest_that_is_not_there_is_counted_too(
    folder, tmp_path, config, write_manifest
):
    write_manifest(folder, [("permissive/good.png", ""), ("permissive/gone.png", "")])
    with pytest.warns(UserWarning, match="^skipped 1 photos: unreadable$"):
        pack([folder], tmp_path / "work", config)


def test_photos_of_other_tiers_are_left_out(folder, tmp_path, config, write_manifest):
    (folder / "restricted").mkdir()
    image().save(folder / "restricted/a.png")
    rows = [("permissive/good.png", "good"), ("restricted/a.png", "not ours")]
    write_manifest(folder, rows)
    pack([folder], tmp_path / "work", config)
    texts = [photo.text for photo in PhotoPack(tmp_path / "work", config).photos]
    assert texts == ["good"]


def test_a_folder_without_usable_photos_is_refused(folder, tmp_path, config):
    (folder / "permissive/good.png").write_bytes(b"no image")
    with pytest.raises(TrainingError, match="no usable photo"):
        pack([folder], tmp_path / "work", config)
    with pytest.raises(TrainingError, match="holds no pack"):
        PhotoPack(tmp_path / "work", config)


def test_a_pack_holds_every_pixel_and_text(packed, photos, config):
    opened = PhotoPack(packed, config)
    assert len(opened.photos) == 12
    for number, photo in enumerate(opened.photos):
        with Image.open(photos / f"permissive/{number}.png") as original:
            assert np.array_equal(opened.pixels(number), np.asarray(original))
        assert photo.text == f"hills number {number}"
    assert opened.display(3).max() <= 1


def test_held_out_photos_are_never_trained_on(packed, config):
    opened = PhotoPack(packed, config)
    assert opened.heldout == [0, 4, 8]
    assert sorted(opened.heldout + opened.training) == list(range(12))
    drawn = {text for _, text in itertools.islice(opened.crops(32, random.Random(0)), 200)}
    assert drawn == {opened.photos[k].text for k in opened.training}


def test_crops_have_their_size_and_repeat_with_their_seed(packed, config):
    opened = PhotoPack(packed, config)
    first, again = (list(itertools.islice(opened.crops(32, random.Random(3)), 5)) for _ in "ab")
    for (crop, _), (same, _) in zip(first, again, strict=True):
        assert crop.shape == (32, 32, 3)
        assert np.array_equal(crop, same)
    # A crop larger than the photo is enlarged from it.
    assert opened.crop(1, 256, random.Random(0)).shape == (256, 256, 3)
