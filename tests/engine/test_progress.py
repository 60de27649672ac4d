"""Progress that the engine tells of, and the end that it comes to when told."""

import itertools

import numpy as np
import pytest

from engine.test_restore import photo_of, progress_of, quick
from ldrps_engine.analysis.resampling import resize
from ldrps_engine.progress import Described, Diagnosed, Step
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["denoise", "sample", "transfer"]),
        (Settings(recipe="noise", noise_sigma=10.0), ["denoise", "transfer"]),
        (
            Settings(recipe="low-light", noise_sigma=5.0, steps=3, recurrences=2),
            ["denoise", "sample", "refine", "transfer"],
        ),
        (Settings(recipe="paper", steps=1, recurrences=1), ["sample", "refine", "transfer"]),
    ],
    ids=["auto", "noise", "both", "paper"],
)
def test_steps_are_counted_to_the_end(models, dark, settings, expected):
    seen = progress_of(dark, settings, models)
    assert [type(each) for each in seen[:2]] == [Diagnosed, Described]
    steps = seen[2:]
    assert all(isinstance(each, Step) for each in steps)
    indices = [each.index for each in steps]
    # The last one may be told again while nothing is done.
    assert indices == sorted(indices)
    # 0 says that the first is under way.
    assert set(indices) - {0} == set(range(1, steps[0].count + 1))
    assert len({each.count for each in steps}) == 1
    stages = [stage for stage, _ in itertools.groupby(each.stage for each in steps)]
    assert stages == expected


def test_a_clean_photo_is_one_step(models, natural):
    steps = progress_of(photo_of(natural), Settings(), models)[2:]
    assert {(each.stage, each.count) for each in steps} == {("transfer", 1)}
    assert steps[-1].index == 1


def test_the_picture_sharpens_to_the_result_part_by_part(models):
    shape = 600, 1100
    photo = photo_of(pictures.darkened(pictures.natural(*shape)))
    seen = []

    def show(progress):
        if isinstance(progress, Step) and progress.preview:
            seen.append((progress.stage, progress.preview()))

    done = restore(photo, quick(), models, show)
    wanted = resize(done.photo.pixels, seen[-1][1].shape[:2])
    assert seen[-1][0] == "transfer"
    assert seen[-1][1].shape == (314, 576, 3)
    off = np.abs(seen[-1][1] / 255 - wanted).mean()
    pilot = next(picture for stage, picture in reversed(seen) if stage == "sample")
    coarse = resize(pilot.astype(np.float32) / 255, seen[-1][1].shape[:2])
    assert off < 0.01
    assert off < 0.5 * np.abs(coarse - wanted).mean()


def test_a_step_shows_a_small_picture_when_asked(models, dark):
    steps = progress_of(dark, quick(), models)[2:]
    preview = steps[0].preview()
    assert preview.dtype == np.uint8
    assert preview.ndim == 3
    assert preview.shape[2] == 3
    assert max(preview.shape) <= 256
    # The photo's proportions, and a picture of it in good light.
    assert preview.shape[1] / preview.shape[0] == pytest.approx(64 / 48, rel=0.02)
    assert preview.mean() > dark.pixels.mean() * 255


class StopError(Exception):
    pass


@pytest.mark.parametrize("last", [1, 2, 3])
def test_raising_stops_the_work_within_one_step(models, dark, last):
    seen = []

    def on_step(progress):
        seen.append(progress)
        if isinstance(progress, Step) and progress.index == last:
            raise StopError

    with pytest.raises(StopError):
        restore(dark, quick(steps=2), models, on_step)
    # The last step may be told several times on a slow machine, with more of it done each time.
    reported = [each.index for each in seen if isinstance(each, Step)]
    assert list(dict.fromkeys(reported)) == list(range(1, last + 1))
    assert reported.count(last) == 1


def test_raising_at_the_diagnosis_stops_before_any_step(models, dark):
    def on_step(progress):
        assert not isinstance(progress, Step)
        if isinstance(progress, Diagnosed):
            raise StopError

    with pytest.raises(StopError):
        restore(dark, quick(), models, on_step)
