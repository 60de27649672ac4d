"""Sentences on the terminal about photos without colour, and about those that never had a job."""

import numpy as np
import pytest
from PIL import Image

_WORDS = "has no colour and was left so"


@pytest.mark.parametrize(
    ("options", "said"),
    [((), True), (("--allow-colour",), False), (("--recipe", "colour"), False)],
)
def test_only_a_photo_that_was_left_grey_is_called_so(ldrps, tmp_path, fake, options, said):
    path = tmp_path / "in.png"
    Image.fromarray(np.full((20, 30), 90, np.uint8)).save(path)
    fake.grey = True
    code, out, _ = ldrps("restore", path, "--no-start", *options)
    assert code == 0
    assert (_WORDS in out) is said


def test_photos_after_the_one_whose_daemon_went_away_are_not_given_its_job(
    ldrps, tmp_path, fake, monkeypatch
):
    monkeypatch.setattr("ldrps_client._watching._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ldrps_client._watching._CROWD_SECONDS", 0.2)
    fake.cut_after = [2] + [0] * 10_000
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(path)
    code, _, err = ldrps("restore", *paths, "--no-start")
    first, *rest = [line for line in err.splitlines() if line.startswith("ldrps: ")]
    assert code == 7
    assert "job job-1 goes on without you only if" in first
    assert len(rest) == 2
    assert all("before the turn of this photo" in line for line in rest)
    assert len(fake.submits) == 1
