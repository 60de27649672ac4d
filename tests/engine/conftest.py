"""Models that are loaded once for all tests of the engine."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ldrps_engine.analysis import faces, recognition
from ldrps_engine.model_store import store
from ldrps_engine.photo import Photo
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.stable_diffusion import StableDiffusion
from ldrps_engine.restore import ModelCache
from support import pictures
from support.tiny_models import stable_diffusion


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Use one thread: on a shared machine, two that wait for each other are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def remembered(look):
    """The same function of a picture, which is called once for each picture."""
    found = {}

    def call(picture):
        key = picture.shape, hashlib.sha256(np.ascontiguousarray(picture)).digest()
        if key not in found:
            found[key] = look(picture)
        return found[key]

    return call


_SEEN_ONCE = [
    (faces, "look_for_faces", remembered(faces.look_for_faces)),
    (recognition, "encode", remembered(recognition.encode)),
]


@pytest.fixture(autouse=True, scope="module")
def _seen_once():
    """Keep what two networks see in a picture: half of the time of a small photo, again and again.

    Many tests restore the same few photos. Both networks have tests of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name, once in _SEEN_ONCE:
            patch.setattr(module, name, once)
        yield


@pytest.fixture(scope="session")
def models():
    """The bundled model, loaded once."""
    models = ModelCache("cpu")
    models.prior("bundled")
    return models


@pytest.fixture(scope="session")
def bundled(models):
    """The bundled prior."""
    return models.prior("bundled")


@pytest.fixture(scope="session", params=["v_prediction", "epsilon"])
def tiny_folder(request, tmp_path_factory):
    """A tiny model of Stable Diffusion 2.1's classes, in both kinds of prediction."""
    return stable_diffusion(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """The tiny model as a prior."""
    return StableDiffusion(tiny_folder, "tiny", Placement())


@pytest.fixture(autouse=True)
def models_folder(tmp_path, monkeypatch):
    """A store of the test's own: what is installed on this machine plays no part."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def natural():
    """A picture like a photo, 96x128."""
    return pictures.natural()


@pytest.fixture(scope="session")
def examples():
    """Reads one of the repository's example photos, (H, W, 3) in [0, 1]."""

    def read(name):
        path = Path(__file__).parents[2] / "examples" / f"{name}.jpg"
        with Image.open(path) as image:
            return np.divide(np.asarray(image.convert("RGB")), 255, dtype=np.float32)

    return read


@pytest.fixture(scope="session")
def small():
    """A picture of 48 by 64 pixels."""
    return pictures.natural(48, 64)


@pytest.fixture(scope="session")
def dark(small):
    """The photo of it in too little light."""
    return Photo.from_samples(pictures.samples(pictures.darkened(small, 0.06), np.uint8))


@pytest.fixture(scope="session")
def dim(small):
    """Dark and noisy: here the prior has a say."""
    noisy = pictures.noisy(pictures.darkened(small, 0.06), 8)
    return Photo.from_samples(pictures.samples(noisy, np.uint8))
