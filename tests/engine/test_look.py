"""The quick look finds what the whole engine finds, and loads no torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps_engine import look, restore
from ldrps_engine.analysis import diagnosis
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described, Diagnosed
from ldrps_engine.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"


class Enough(Exception):
    pass


def findings(engine, photo, **settings):
    told = []

    def on_step(progress):
        if isinstance(progress, Diagnosed | Described):
            told.append(progress)
        if isinstance(progress, Described):
            raise Enough

    with pytest.raises(Enough):
        engine.restore(photo, Settings(**settings), engine.ModelCache("cpu"), on_step)
    return told


@pytest.mark.parametrize("name", ["low-light", "haze", "noise", "grey"])
def test_it_finds_what_the_whole_engine_finds(name):
    photo = Photo.from_samples(np.asarray(Image.open(EXAMPLES / f"{name}.jpg")))
    assert findings(look, photo) == findings(restore, photo)


def test_who_knows_that_there_is_no_noise_is_told_the_same_without_measuring_it(monkeypatch):
    photo = Photo.from_samples(np.asarray(Image.open(EXAMPLES / "haze.jpg")))
    wanted = findings(restore, photo, noise_sigma=0.0)
    monkeypatch.setattr(diagnosis, "measure_noise", None)
    assert findings(look, photo, noise_sigma=0.0) == wanted
    assert wanted[0].diagnosis.is_hazy


def test_it_loads_no_torch():
    code = "import sys; sys.modules['torch'] = None; import ldrps_engine.look"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
