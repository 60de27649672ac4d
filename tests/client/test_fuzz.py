"""Damaged files of every kind give a photo or one sentence; `fuzz.py` does this for minutes."""

import random

import numpy as np
import pytest

from client.corpus import corpus
from client.fuzz import check, damaged

WOUNDED = 60
"""Damaged copies of each file: a number and not seconds, so that a slow machine tests as much."""
NAMES = [
    *("plain.jpg", "progressive.jpg", "grey.jpg", "plain.png", "alpha.png", "lossy.webp"),
    *("lossless.webp", "plain.avif", "deep.avif", "plain.tif", "tiles.tif", "big.tif"),
    *("zstd.tif", "jpeg.tif", "ours-uint8-3.jpg", "ours-uint16-4.png", "ours-float32-4.tif"),
    *("extended.jpg", "ours-uint8-4.webp", "ours-uint8-3.avif", "notes.png", "cmyk.jpg"),
    *("nclx.avif", "cmyk.tif", "palette.tif", "tiled-jpeg.tif"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def test_the_corpus_itself_is_sound(files, folder):
    assert set(NAMES) <= set(files)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        assert check(folder / name, expect_photo=True)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(files, folder, name):
    path = folder / name
    refused = 0
    for seed in range(WOUNDED):
        data = damaged(files[name], random.Random(f"{name} {seed}"))
        path.write_bytes(data)
        refused += check(path) is None
    # The wounds are deep enough to be noticed.
    assert refused > WOUNDED // 10, f"{refused} of {WOUNDED} were refused"


@pytest.mark.parametrize("name", NAMES)
def test_files_that_end_early(files, folder, name):
    path, data = folder / name, files[name]
    path.write_bytes(data)
    whole = check(path, expect_photo=True).to_samples()
    refused = []
    for tenth in range(10):
        path.write_bytes(data[: len(data) * tenth // 10])
        photo = check(path)
        refused.append(photo is None)
        # Only what comes after the pixels can be missing of a file that is taken.
        assert photo is None or np.array_equal(photo.to_samples(), whole), tenth
    assert all(refused[:2]), "a fifth of a file was taken for a photo"
