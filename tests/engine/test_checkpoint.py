"""Sampling that was interrupted ends with the same bits as sampling that was not."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ldrps_engine.photo import Photo
from ldrps_engine.progress import Step
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures
from support.daemon import ROOT, environment


class StoppedError(Exception):
    pass


def photo():
    dark = pictures.darkened(pictures.natural(48, 64), 0.06)
    return Photo.from_samples(pictures.samples(dark, np.uint8))


def stopped_at(index, settings, models, checkpoint=None):
    """The checkpoint of a run that ends at a step of the sampler."""

    def on_step(progress):
        if isinstance(progress, Step) and progress.checkpoint and progress.index == index:
            raise StoppedError(progress.checkpoint())

    with pytest.raises(StoppedError) as caught:
        restore(photo(), settings, models, on_step, checkpoint)
    return caught.value.args[0]


def checkpoints_of(settings, models, checkpoint=None):
    """Pixels of a run, and the checkpoint of each step by its index, as each has it at the time."""
    states = {}

    def on_step(progress):
        if isinstance(progress, Step) and progress.checkpoint:
            states[progress.index] = progress.checkpoint()

    return restore(photo(), settings, models, on_step, checkpoint).photo.pixels, states


def steps_of(settings, models, checkpoint):
    pixels, states = checkpoints_of(settings, models, checkpoint)
    return pixels, list(states)


@pytest.mark.parametrize(("recipe", "count"), [("low-light", 3), ("haze", 3), ("paper", 2)])
def test_any_step_can_be_the_last_before_a_break(models, recipe, count):
    # Both passes, and the first step of the second one, which draws new noise.
    settings = Settings(recipe=recipe, steps=count, recurrences=1, seed=3)
    whole, states = checkpoints_of(settings, models)
    steps = list(states)
    for done, index in enumerate(steps[:4], start=1):
        again, after = steps_of(settings, models, states[index])
        assert after == steps[done:]
        np.testing.assert_array_equal(again, whole)


@pytest.mark.parametrize("recipe", ["low-light", "haze", "paper"])
@pytest.mark.parametrize("solver", ["dpm++", "unipc"])
def test_solvers_that_remember_go_on_where_they_were(models, recipe, solver):
    # Guided or not: without guidance the solver remembers the sampler's own latent.
    settings = Settings(recipe=recipe, solver=solver, steps=3, recurrences=0)
    whole, states = checkpoints_of(settings, models)
    steps = list(states)
    again, after = steps_of(settings, models, states[steps[1]])
    assert after == steps[2:]
    np.testing.assert_array_equal(again, whole)


def test_a_run_can_be_broken_more_than_once(models):
    settings = Settings(recipe="low-light", steps=3, recurrences=1)
    whole, steps = steps_of(settings, models, None)
    state = None
    for done in (1, 2, 4):
        state = stopped_at(steps[done - 1], settings, models, state)
    again, _ = steps_of(settings, models, state)
    np.testing.assert_array_equal(again, whole)


def test_what_does_not_belong_is_ignored(models):
    settings = Settings(recipe="low-light", steps=2, recurrences=0)
    _, steps = steps_of(settings, models, None)
    state = stopped_at(steps[0], settings, models)
    for wrong in (b"", b"rubbish", state[:-9], stopped_at(steps[0], Settings(steps=3), models)):
        assert stopped_at(steps[0], settings, models, wrong) == state


def test_it_goes_on_in_another_process(models, tmp_path):
    settings = Settings(recipe="low-light", steps=2, recurrences=1)
    whole, steps = steps_of(settings, models, None)
    (tmp_path / "state").write_bytes(stopped_at(steps[1], settings, models))
    code = (
        "import sys, torch, numpy as np; torch.set_num_threads(1)\n"
        "from pathlib import Path; from engine.test_checkpoint import photo\n"
        "from ldrps_engine.restore import ModelCache, restore\n"
        "from ldrps_engine.settings import Settings\n"
        "folder = Path(sys.argv[1]); state = (folder / 'state').read_bytes()\n"
        "settings = Settings(recipe='low-light', steps=2, recurrences=1)\n"
        "found = restore(photo(), settings, ModelCache('cpu'), checkpoint=state)\n"
        "np.save(folder / 'out.npy', found.photo.pixels)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        cwd=ROOT,
        env=environment() | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)
