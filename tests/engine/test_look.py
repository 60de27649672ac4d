"""The quick look finds what the whole engine finds, and loads no torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ldrps_engine import look, restore
from ldrps_engine.analysis import known
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described, Diagnosed
from ldrps_engine.settings import Settings
from support import pictures

EXAMPLES = Path(__file__).parents[2] / "examples"


class Enough(Exception):
    pass


def findings(engine, photo, **settings):
    reported = []

    def on_step(progress):
        if isinstance(progress, Diagnosed | Described):
            reported.append(progress)
        if isinstance(progress, Described):
            raise Enough

    with pytest.raises(Enough):
        engine.restore(photo, Settings(**settings), engine.ModelCache("cpu"), on_step)
    return reported


@pytest.mark.parametrize("name", ["low-light", "haze", "noise", "grey"])
def test_it_finds_what_the_whole_engine_finds(name):
    photo = Photo.from_samples(np.asarray(Image.open(EXAMPLES / f"{name}.jpg")))
    assert findings(look, photo) == findings(restore, photo)


def test_who_knows_that_there_is_no_noise_gets_the_same_without_measuring_it(monkeypatch):
    photo = Photo.from_samples(np.asarray(Image.open(EXAMPLES / "haze.jpg")))
    wanted = findings(restore, photo, noise_sigma=0.0)
    monkeypatch.setattr(known, "measure_noise", None)
    assert findings(look, photo, noise_sigma=0.0) == wanted
    assert wanted[0].diagnosis.is_hazy


LOOK = """
import sys
sys.modules["torch"] = None
import numpy as np
from PIL import Image
from ldrps_engine.errors import InternalError
from ldrps_engine.look import ModelCache, restore
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described, Diagnosed
from ldrps_engine.settings import Settings

photo = Photo.from_samples(np.asarray(Image.open(sys.argv[1])))
reported = []
try:
    restore(photo, Settings(), ModelCache("cpu"), reported.append)
except InternalError as error:
    assert "no further" in str(error)
assert [type(each) for each in reported] == [Diagnosed, Described], reported
"""


def test_it_diagnoses_and_describes_without_torch():
    command = [sys.executable, "-c", LOOK, str(EXAMPLES / "low-light.jpg")]
    subprocess.run(command, check=True, timeout=120)


ALONE = """
import sys
sys.modules["torch"] = None
import numpy as np
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings

samples = np.load(sys.argv[1])
reported = []
done = restore(Photo.from_samples(samples), Settings(), ModelCache("cpu"), reported.append)
assert (done.layers[0].photo.to_samples() == samples).all()
assert not done.diagnosis.needs_work, done.diagnosis
assert [step.text for step in reported if isinstance(step, Described)] == [done.description]
"""


def test_a_photo_that_needs_nothing_comes_back_without_torch(tmp_path):
    np.save(tmp_path / "photo.npy", pictures.samples(pictures.natural(256, 256), np.uint8))
    command = [sys.executable, "-c", ALONE, str(tmp_path / "photo.npy")]
    subprocess.run(command, check=True, timeout=120)
