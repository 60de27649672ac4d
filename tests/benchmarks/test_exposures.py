"""Limits of dark photos against their longer exposure, on made-up ones whose answer is known."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import exposures
from benchmarks.sets import to_samples
from ldrps_engine.colour.srgb import decode, encode
from support import pictures


@pytest.fixture
def scene():
    """Display values without white, (H, W, 3)."""
    return 0.1 + 0.7 * pictures.natural(64, 96).astype(float)


def found(made, reference):
    figures = exposures.limits(to_samples(made), to_samples(reference))
    return dict(zip(exposures.LIMITS, figures, strict=True))


def test_less_light_is_undone_by_a_gain_and_a_tint_by_one_for_each_channel(scene):
    dark = encode(decode(scene) / 4)
    plain = found(dark, scene)
    assert plain["as it is"] < 20
    assert plain["gain"] > 35
    tinted = found(encode(decode(scene) / np.array([2.0, 4.0, 8.0])), scene)
    assert tinted["gain"] < 25
    assert tinted["gains"] > 35


def test_what_a_curve_has_done_is_undone_by_a_curve_alone(scene):
    curved = found(scene**2.2 * 0.6, scene)
    assert curved["curve"] > curved["gain"] + 5
    assert curved["curves"] >= curved["curve"] - 0.1


def test_the_mean_cameras_response_finds_its_own_exposure(scene):
    brighter = exposures._response(scene / 3, 2.0**2)
    assert found(scene / 3, brighter)["response"] > 40


def test_the_command_prints_every_photo_and_the_mean(tmp_path, scene, capsys):
    for name, picture in (("cave", encode(decode(scene) / 9)), ("cave_longer_exposure", scene)):
        Image.fromarray(to_samples(picture)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.tsv").write_text("file\twhat a photographer sees\ncave.png\tfar too dark\n")
    assert exposures.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("cave, given")
    assert lines[-1].startswith("mean, given")
    assert lines[1].split()[2:] == lines[-1].split()[2:]


def test_a_folder_without_longer_exposures_is_reported(tmp_path, capsys):
    assert exposures.main([str(tmp_path)]) == 2
    assert "labels.tsv" in capsys.readouterr().err
