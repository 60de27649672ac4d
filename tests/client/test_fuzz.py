"""Damaged files of every kind give a photo or one sentence; `fuzz.py` does this for minutes."""

import random
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from client.corpus import corpus
from client.fuzz import check, damaged

SECONDS = 30
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


@pytest.fixture(scope="module")
def end():
    return time.monotonic() + SECONDS


def test_the_corpus_itself_is_sound(files, folder):
    assert set(NAMES) <= set(files)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        assert check(folder / name, expect_photo=True)


@settings(
    max_examples=6000,
    database=None,
    derandomize=True,
    deadline=None,
    # A wounded file shrinks to nothing that says more.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_damaged_files(files, folder, end, name, seed):
    # As many as there is time for; always the same ones, in the same order.
    if time.monotonic() > end:
        return
    path = folder / name
    path.write_bytes(damaged(files[name], random.Random(seed)))
    check(path)


@pytest.mark.parametrize("name", NAMES)
def test_files_that_end_early(files, folder, name):
    data = files[name]
    for tenth in range(10):
        (folder / name).write_bytes(data[: len(data) * tenth // 10])
        check(folder / name)
