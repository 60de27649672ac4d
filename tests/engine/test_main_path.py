"""The main path is straight: a reader who follows a photo is not sent back and forth."""

import pytest

from scripts import photo_walk

STAGES = [
    "analysis/measuring.py",
    "analysis/analyse.py",
    "diffusion/planning.py",
    "diffusion/denoising.py",
    "diffusion/pilot.py",
    "transfer/full_size.py",
]
MOST = 25
"""Stays from top to bottom, returns included."""


@pytest.fixture(scope="module")
def made():
    return photo_walk.calls()


def test_a_photo_goes_through_the_stages_one_after_the_other(made):
    stays = photo_walk.walk(made, "restore.py")
    assert [file for file, _ in stays if file in STAGES] == STAGES
    assert stays[0] == ("restore.py", "restore")
    assert stays[-2:] == [("analysis/inset.py", "Inset.restored"), ("restore.py", "returned")]


@pytest.mark.parametrize("file", ["restore.py", *STAGES])
def test_neither_the_path_nor_a_stage_of_it_has_more_stays_than_a_reader_follows(made, file):
    stays = photo_walk.walk(made, file)
    assert 5 < len(stays) <= MOST, stays


def test_a_stay_is_counted_for_each_way_there_and_back():
    made = [
        ("restore.py", "restore", 1),
        ("a.py", "measure", 2),
        ("b.py", "helper", 3),
        ("restore.py", "_own", 2),
        ("a.py", "measure", 3),
        ("a.py", "judge", 3),
        ("b.py", "", 2),
        ("b.py", "helper", 2),
    ]
    files = [file for file, _ in photo_walk.walk(made, "restore.py")]
    home = "restore.py"
    # Once into each function: `measure` is known by then, and `b.py` is read by name.
    assert files == [home, "a.py", home, "a.py", home, "b.py", home]
