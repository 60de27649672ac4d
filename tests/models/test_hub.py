"""Models are fetched whole or not at all, and whatever is in the way is one sentence."""

import errno
import shutil
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from ldrps_engine.errors import CancelledError, LdrpsError, ModelError, UnavailableError
from ldrps_engine.model_store import hub as hub_module
from ldrps_engine.model_store import store
from ldrps_engine.model_store.hub import pull
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from models.conftest import SD21

WEIGHTS = "unet/diffusion_pytorch_model.fp16.safetensors"


def sentence(kind=LdrpsError):
    with pytest.raises(kind) as caught:
        pull("sd21")
    text = str(caught.value)
    assert text.startswith("model 'sd21'")
    assert "\n" not in text
    assert not store.is_installed("sd21")
    return text


def test_what_was_pulled_is_what_the_catalogue_asks_for_and_loads(hub, entry):
    seen = []
    manifest = pull("sd21", lambda *each: seen.append(each))
    assert manifest.revision == entry.revision
    assert store.is_installed("sd21")
    there = {str(p.relative_to(store.folder_of("sd21"))) for p in _files()}
    assert there == {*manifest.files, store.MANIFEST}
    assert WEIGHTS in there
    assert not {path for path in there if path.endswith((".bin", ".md"))}
    total = sum(size for size, _ in manifest.files.values())
    assert [each[2] for each in seen] == [total] * len(seen)
    done = [each[1] for each in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, total)
    assert load_prior("sd21", Placement()).name == "sd21"


def test_a_second_pull_asks_the_hub_for_nothing(hub):
    pull("sd21")
    hub.requests.clear()
    pull("sd21")
    assert hub.requests == []


@pytest.fixture
def begun(hub, monkeypatch):
    """A pull that was stopped in the middle of the weights; how many bytes of them had come."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    start = 0

    def stop_in_the_weights(file, done, total):
        nonlocal start
        start = start if file == WEIGHTS else done
        if file == WEIGHTS and done - start > 30_000:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        pull("sd21", stop_in_the_weights)
    (partial,) = store.folder_of("sd21").rglob("*.partial")
    hub.requests.clear()
    return partial


def test_a_pull_that_broke_off_goes_on_where_it_did(hub, begun, tiny_sd21):
    held = begun.stat().st_size
    assert held == 30_000 < len(tiny_sd21[WEIGHTS])
    assert not store.is_installed("sd21")
    seen = []
    pull("sd21", lambda *each: seen.append(each))
    assert store.is_installed("sd21")
    assert not begun.exists()
    ranges = [(path, head["Range"]) for path, head in hub.requests if "Range" in head]
    assert ranges == [(f"/{SD21}/resolve/{store.read_manifest('sd21').revision}/{WEIGHTS}",
                       f"bytes={held}-")]  # fmt: skip
    # Weights that had come whole before are not asked for again.
    assert not any("text_encoder/model" in path for path, _ in hub.requests)
    done = [each[1] for each in seen]
    assert done == sorted(done)


def test_what_has_come_already_needs_no_room(hub, begun, tiny_sd21, monkeypatch):
    wanted = sum(len(tiny_sd21[n]) for n in tiny_sd21)
    usage = SimpleNamespace(free=500_000_000 + wanted - 20_000, total=1, used=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    pull("sd21")
    assert store.is_installed("sd21")


def test_a_begun_file_that_is_wrong_is_thrown_away(hub, begun):
    begun.write_bytes(bytes(30_000))
    assert f"{WEIGHTS} came corrupted" in sentence(ModelError)
    pull("sd21")
    assert store.is_installed("sd21")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, tiny_sd21):
    hub.break_after = 20_000
    assert len(tiny_sd21[WEIGHTS]) > 40_000
    try:
        pull("sd21")
    except UnavailableError:
        pull("sd21")
    assert store.verify("sd21") == sum(len(tiny_sd21[name]) for name in _fetched())


def test_a_revision_that_is_not_pinned_is_recorded(hub, monkeypatch, entry):
    unpinned = {"sd21": SimpleNamespace(**(vars(entry) | {"revision": "main", "page": ""}))}
    monkeypatch.setattr(hub_module, "catalogue", lambda: unpinned)
    assert pull("sd21").revision == "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("name", ["sd99", "bundled", "../sd21", ""])
def test_what_is_not_in_the_catalogue_is_not_pulled(name):
    with pytest.raises(ModelError, match="cannot be pulled; these can: sd21, sd15"):
        pull(name)


def test_offline_is_respected(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in sentence(ModelError)
    assert hub.requests == []


@pytest.fixture
def no_pauses(monkeypatch):
    """huggingface_hub tries again a few times, with seconds between."""
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


def test_a_hub_that_is_away(hub, no_pauses):
    hub.stop()
    assert "hub does not answer" in sentence(UnavailableError)
    assert no_pauses, "it was not tried again"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_that_is_ill(hub, status, no_pauses):
    hub.status = status
    assert f"answered {status}" in sentence(UnavailableError)


def test_a_wrong_token(hub, monkeypatch):
    hub.token = "right"
    monkeypatch.setenv("HF_TOKEN", "wrong")
    assert "HF_TOKEN" in sentence(ModelError)


def test_a_right_token_is_shown(hub, monkeypatch):
    hub.token = "right"
    monkeypatch.setenv("HF_TOKEN", "right")
    pull("sd21")
    assert store.is_installed("sd21")


def test_a_licence_that_was_not_accepted(hub, entry):
    hub.gated = True
    text = sentence(ModelError)
    assert "licence to accept" in text
    assert entry.page in text


def test_a_revision_that_is_gone(hub):
    hub.lost_revision = True
    assert "no longer there at revision" in sentence(ModelError)


def test_a_proxy_that_does_not_answer(hub, monkeypatch, no_pauses):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    from huggingface_hub import close_session

    close_session()
    try:
        text = sentence(UnavailableError)
    finally:
        close_session()
    assert "does not answer" in text


def test_a_proxy_is_used(hub, monkeypatch):
    # The hub itself serves as one: it understands a request for its own address.
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", hub.address)
    from huggingface_hub import close_session

    close_session()
    try:
        with pytest.raises(LdrpsError):
            pull("sd21")
    finally:
        close_session()
    assert any("hub.invalid" in path for path, _ in hub.requests)


def test_a_disk_that_is_too_small(hub, monkeypatch):
    usage = SimpleNamespace(free=1000, total=1, used=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "free some space" in sentence(ModelError)
    assert not any("/resolve/" in path for path, _ in hub.requests)


def test_a_corrupted_shard_is_thrown_away_and_comes_right_the_next_time(hub):
    hub.corrupt = WEIGHTS
    assert f"{WEIGHTS} came corrupted" in sentence(ModelError)
    assert not (store.folder_of("sd21") / WEIGHTS).exists()
    hub.corrupt = ""
    pull("sd21")
    assert store.is_installed("sd21")


def test_weights_that_could_run_code_are_not_fetched(hub, tiny_sd21):
    pickled = {k.replace(".safetensors", ".bin"): v for k, v in tiny_sd21.items()}
    hub.repositories[SD21] = pickled
    assert "no .safetensors weights" in sentence(ModelError)


def test_a_small_file_that_came_wrong_is_thrown_away_too(hub):
    hub.corrupt = "unet/config.json"
    assert "unet/config.json came corrupted" in sentence(ModelError)
    hub.corrupt = ""
    pull("sd21")
    assert store.is_installed("sd21")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "cannot be written: No space left on device; free some space"),
        (errno.EACCES, "cannot be written: Permission denied; set LDRPS_MODELS"),
        (errno.ETIMEDOUT, "the hub does not answer"),
        (errno.ENETUNREACH, "the hub does not answer"),
    ],
)
def test_what_the_machine_itself_refuses(hub, monkeypatch, number, words):
    def fail(*_, **__):
        raise OSError(number, "it")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    assert words in sentence()


@pytest.mark.parametrize("path", ["scheduler/../../evil.json", "tokenizer/run.py"])
def test_files_that_no_model_has_are_refused(hub, tiny_sd21, path):
    hub.repositories[SD21] = tiny_sd21 | {path: b"{}"}
    assert "nothing was fetched" in sentence(ModelError)


def _files():
    return [path for path in store.folder_of("sd21").rglob("*") if path.is_file()]


def _fetched():
    return store.read_manifest("sd21").files
