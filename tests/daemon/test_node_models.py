"""A node's own side of models: it fetches, checks and removes them."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon.test_cluster_models import DONE, SD21
from ldrps_daemon.cluster.models import NodeModels
from ldrps_daemon.cluster.node_models import on_node, place_of
from ldrps_engine.errors import ModelError
from ldrps_engine.model_store import store
from support.fake_hub import HubServer

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture
def hub(monkeypatch):
    files = {"model_index.json": b"{}", "unet/model.fp16.safetensors": bytes(300_000)}
    server = HubServer({SD21: files})
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield server
    server.stop()


def asked(action, **here):
    reported = {"do": action, "name": "sd21", "revision": "", "hash": "", "file": []} | here
    return [json.loads(each) for each in on_node(json.dumps(reported).encode())]


def test_a_node_fetches_checks_and_removes(hub, models_folder):
    said = asked("pull")
    assert "is there with other files than here; run 'ldrps models remove sd21'" in said[-1]["why"]
    whole = store.weights_hash("sd21")
    assert asked("pull", hash=whole)[-1] == DONE
    assert asked("verify", hash=whole)[-1] == DONE
    weights = models_folder / "sd21" / "unet" / "model.fp16.safetensors"
    weights.write_bytes(bytes(299_999) + b"x")
    assert "corrupted" in asked("verify", hash=whole)[-1]["why"]
    # A folder that the front sees too has been read by the front.
    assert asked("verify", hash=whole, file=place_of("sd21"))[-1] == DONE
    assert asked("remove")[-1] == asked("remove")[-1] == DONE
    assert not store.is_installed("sd21")


def test_a_node_fetches_the_fronts_revision(hub):
    hub.requests.clear()
    asked("pull", revision="f" * 40)
    assert store.read_manifest("sd21").revision == "f" * 40
    assert any("f" * 40 in path for path, _ in hub.requests)


def test_nodes_that_share_a_models_folder_fetch_once(hub, monkeypatch):
    monkeypatch.setattr("ldrps_engine.model_store.hub._LOOK_SECONDS", 0.05)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: asked("pull", hash="?")[-1], range(4)))
    assert all("other files" in answer["why"] for answer in answers)
    fetched = [path for path, _ in hub.requests if path.endswith(".safetensors")]
    assert len(fetched) == 1


def test_an_unknown_failure_there_is_one_line(monkeypatch):
    def fails(*_):
        raise ValueError("two\nlines")

    monkeypatch.setattr("ldrps_engine.model_store.hub.pull", fails)
    assert asked("pull") == [{"why": "ValueError: two lines"}]


def test_nobody_is_asked_about_a_model_that_the_front_has_lost(tmp_path):
    with pytest.raises(ModelError, match="not installed"):
        asyncio.run(NodeModels().everywhere(None, "verify", "sd21", print))
