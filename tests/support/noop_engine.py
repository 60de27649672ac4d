"""An engine without torch: inverts the photo in as many steps as it is asked for.

The description, if it is one of these words, makes it misbehave: `die` ends the process,
`hang` stops it, `raise` raises, `refuse` raises a ModelError, `memory` a MemoryError, `much memory`
one unless memory is saved for the job; `forever` goes on until it is stopped, and `linger` until it
is started again from a checkpoint. `same` gives the photo back as it came.

Damage is filled with black. The stage denoised is half-way between the photo and the result.
"""

import os
import time
from dataclasses import dataclass, replace

import numpy as np

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.errors import ModelError
from ldrps_engine.photo import Photo
from ldrps_engine.progress import Described, Diagnosed, Loading, Step, ignore
from ldrps_engine.result import Layer, Restoration

STEP_SECONDS = 0.01
DEFAULT_STEPS = 5


class FixedDiagnosis(Diagnosis):
    def words(self):
        return "noise about 3"


@dataclass
class Resident:
    name: str
    kind: str = "prior"
    bytes: int = 1000
    load_seconds: float = 0.5
    idle_seconds: float = 0.0


class ModelCache:
    def __init__(self, device, *, low_memory=False):
        self.device = device
        self.low_memory = low_memory
        self._loaded = []

    def loaded(self):
        return self._loaded

    def residents(self):
        return [Resident(name) for name in reversed(self._loaded)]

    def unload(self, name):
        self._loaded = [each for each in self._loaded if each != name]

    def rest(self):
        pass

    def load(self, name, on_step=ignore):
        if name == "sd15":
            raise ModelError("model 'sd15' is broken; pull it again")
        if name in self._loaded:
            return
        on_step(Loading(name, 0.0))
        on_step(Loading(name, 1.0))
        self._loaded.append(name)


def restore(photo, settings, models, on_step=ignore, checkpoint=None, crop=None, last=None):
    started = time.monotonic()
    models.load(settings.model, on_step)
    diagnosis = FixedDiagnosis(
        noise_sigma=3.0,
        haze=0.0,
        darkness=0.1,
        cast=0.0,
        grey=photo.is_grey,
        amounts={"noise": 1.0},
    )
    on_step(Diagnosed(diagnosis))
    text = settings.description or "a photo"
    on_step(Described(text, "user" if settings.description else "tagger"))
    count = settings.steps or DEFAULT_STEPS
    wrong = _stepped(photo, text, count, models, on_step, checkpoint)
    restored = photo.pixels if text == "same" else 1.0 - photo.pixels - wrong
    if photo.damage is not None:
        restored = np.where(photo.damage[..., None], np.float32(0), restored)
    made = {"restored": restored, "pilot": photo.pixels}
    pictures = {name: photo.with_pixels(pixels) for name, pixels in made.items()}
    pictures |= _stages(photo, pictures["restored"])
    flat = np.full((photo.height, photo.width, 1), 64, np.uint8)
    pictures["generated"] = Photo.from_samples(flat)
    if crop:
        pictures = {name: picture.part(crop.part) for name, picture in pictures.items()}
    layers = tuple(Layer(name, pictures[name]) for name in settings.layers if name in pictures)
    return Restoration(
        layers=layers,
        diagnosis=diagnosis,
        description=text,
        generated=(0.25, 0.5),
        seconds=time.monotonic() - started,
    )


def _stepped(photo, text, count, models, on_step, checkpoint):
    """Take the steps, and return how far the photo is off for one too few or too many."""
    state = _read(checkpoint, photo)
    for index in range(int(state[0]) + 1, count + 1):
        time.sleep(STEP_SECONDS)
        if index == min(3, count):
            _misbehave(text, models)
        state = _advanced(state)
        step = Step("sample", index, count, _preview, state.tobytes)
        on_step(step)
        while text == "forever" or (text == "linger" and checkpoint is None):
            time.sleep(0.01)
            saved = None if text == "forever" else step.checkpoint
            # Another stage: the same step told again would not be heard of.
            on_step(replace(step, stage="wait", checkpoint=saved))
    # What every step has added is taken off again, so that one too few or too many shows.
    expected = _read(None, photo)
    for _ in range(count):
        expected = _advanced(expected)
    return np.float32((int(state[1]) - int(expected[1])) % 256 / 255)


def _stages(photo, restored):
    """Pictures after two stages, half-way and at the end; three where damage is filled."""
    if np.array_equal(restored.pixels, photo.pixels):
        return {}
    half = photo.with_pixels((photo.pixels + restored.pixels) / 2)
    stages = {"denoised": half, "tone-mapped": restored}
    return stages if photo.damage is None else {"repaired": restored, **stages}


def _read(checkpoint, photo):
    """Read the steps done, and a number that depends on each of them and on the photo."""
    start = np.array([0, photo.pixels.sum(dtype=np.float64) * 1000], np.uint64)
    return np.frombuffer(checkpoint, np.uint64).copy() if checkpoint else start


def _advanced(state):
    done, number = int(state[0]) + 1, int(state[1])
    return np.array([done, (number * 1103515245 + done) % 2**31], np.uint64)


def _preview():
    return np.zeros((8, 12, 3), np.uint8)


def _misbehave(text, models):
    if text == "die":
        os._exit(9)
    if text == "hang":
        time.sleep(3600)
    if text == "raise":
        raise RuntimeError("a bug in the engine")
    if text == "refuse":
        raise ModelError("model 'x' is broken; install it again")
    if text == "memory" or (text == "much memory" and not models.low_memory):
        raise MemoryError
