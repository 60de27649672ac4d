"""The pictures that must be left alone are what they are called, the same every time."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from benchmarks import no_photos
from benchmarks.drawn.canvas import fractal, ridge
from benchmarks.labelled import ON_PURPOSE

BY_NAME = {drawing.name: drawing for drawing in no_photos.DRAWINGS}
KINDS = (
    *("text page", "form", "receipt", "screenshot", "flat drawing", "cartoon", "chart"),
    *("diagram", "QR code", "fog", "night sky", "low key", "high key", "sunset", "snow"),
    *("silhouette", "candle light", "neon", "underwater"),
)


def test_there_are_more_than_sixty_of_all_kinds_under_names_of_their_own():
    assert len(no_photos.DRAWINGS) >= 60
    assert len(BY_NAME) == len(no_photos.DRAWINGS)
    assert {drawing.kind for drawing in no_photos.DRAWINGS} == set(KINDS)


@cache
def drawn(name):
    return no_photos.draw(BY_NAME[name])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_picture(kind):
    if kind == "QR code":
        pytest.importorskip("cv2")
    picture = drawn(next(one.name for one in no_photos.DRAWINGS if one.kind == kind))
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert min(picture.shape[:2]) >= 200
    assert picture.std() > 3


@pytest.mark.parametrize("name", ["page_serif_11", "silhouette_city", "receipt_oak"])
def test_each_is_the_same_every_time(name):
    assert np.array_equal(no_photos.draw(BY_NAME[name]), no_photos.draw(BY_NAME[name]))


def test_they_look_degraded_to_a_histogram():
    def level(name):
        return drawn(name) / 255

    assert np.median(level("night_sky_milky")) < 0.15
    assert np.median(level("low_key_fruit")) < 0.1
    assert level("low_key_fruit").max() > 0.5
    assert np.percentile(level("high_key_eggs"), 1) > 0.3
    assert level("fog_ridges_thin").min() > 0.15
    candle = level("candle_one").reshape(-1, 3).mean(axis=0)
    assert candle[0] > 1.5 * candle[2]


def test_fog_is_thicker_the_farther_away():
    picture = drawn("fog_ridges_thin") / 255
    far, near = picture[150:200].min(), picture[430:].min()
    assert far > near + 0.1


def test_a_code_can_be_read():
    cv2 = pytest.importorskip("cv2")
    read, *_ = cv2.QRCodeDetector().detectAndDecode(drawn("qr_small"))
    assert read == "https://example.org/menu?table=12"


def test_water_and_clouds_are_wider_than_high():
    plane = fractal(np.random.default_rng(0), (128, 128), 2.0, across=0.2)
    down, across = (np.abs(np.diff(plane, axis=axis)).mean() for axis in (0, 1))
    assert down > 1.7 * across
    assert ridge(np.random.default_rng(0), 50).shape == (50,)


def test_the_command_writes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(no_photos, "DRAWINGS", (BY_NAME["logo_on_white"],))
    assert no_photos.main([str(tmp_path / "out")]) == 0
    assert "1 pictures" in capsys.readouterr().out
    with Image.open(tmp_path / "out/logo_on_white.png") as image:
        assert image.size == (720, 450)
    (tmp_path / "file").write_text("")
    assert no_photos.main([str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_list_of_photos_holds_no_photo_twice():
    lines = ON_PURPOSE.read_text().splitlines()
    assert lines[0] == "file\tkind"
    files = [line.split("\t")[0] for line in lines[1:]]
    assert len(files) == len(set(files)) >= 30
    # The tier from which nothing that is shipped was learnt.
    assert all(file.startswith("research/") for file in files)
