"""Names and paths, what is installed, and what is refused; no network."""

import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldrps_daemon.scheduling.worker_specs import LocalPool
from ldrps_daemon.transport.models_service import ModelsServicer
from ldrps_engine.errors import LdrpsError, ModelError, SettingsError
from ldrps_engine.model_store import store
from ldrps_engine.model_store.catalogue import catalogue, tiny_of
from ldrps_engine.priors.components import count_weights
from ldrps_engine.priors.model_cache import MEMORY_VARIABLE, ModelCache, parse_bytes
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior, prior_bytes
from support import tiny_describers, tiny_models
from support.lazy import diffusers, transformers


def test_the_catalogue_says_all_there_is_to_say():
    entries = [entry for entry in catalogue().values() if entry.repository]
    wanted = {"sd21", "sd15", "sdxl", "flux2-klein", "taesd", "taesdxl"}
    wanted |= {"qwen3-vl-2b", "qwen3-vl-4b", "qwen2.5-vl-3b", "smolvlm2-256m", "smolvlm2-500m"}
    assert wanted <= set(catalogue())
    for entry in entries:
        assert re.fullmatch(r"[0-9a-f]{40}|main", entry.revision), entry.name
        assert entry.licence, entry.name
        assert entry.bytes > 0, entry.name
        assert entry.memory > 0, entry.name
        assert (entry.view > 0) == (entry.kind == "prior"), entry.name
        assert not any(
            p.endswith((".bin", ".ckpt", ".py", "*")) and "/" not in p for p in entry.files
        )
    for family in ("stable-diffusion", "sdxl", "flux2"):
        assert tiny_of(family)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("sd21", False),
        ("qwen2.5-vl-3b", False),
        ("local-model-12345678", False),
        ("/models/mine", True),
        ("./mine", True),
        ("~/mine", True),
        ("mine.safetensors", True),
    ],
)
def test_names_and_paths_are_distinguished(name, path):
    assert store.is_path(name) == path


def test_a_folder_of_ones_own_gets_a_name_that_stays(tmp_path):
    folder = tiny_models.stable_diffusion(tmp_path / "my model", "epsilon")
    name = store.link(folder)
    assert store.link(folder) == name
    assert not store.is_path(name)
    assert store.links() == {name: folder}
    assert load_prior(name, Placement()).name == name
    assert store.remove(name) == 0
    assert folder.is_dir()
    with pytest.raises(ModelError, match="not known here"):
        store.resolve(name)


def test_a_linked_folder_is_listed_as_what_it_holds(tmp_path):
    prior = store.link(tiny_models.stable_diffusion(tmp_path / "prior", "epsilon"))
    describer = store.link(tiny_describers.smolvlm2(tmp_path / "describer"))
    gone = tmp_path / "gone"
    away = store.link(tiny_models.stable_diffusion(gone, "epsilon"))
    shutil.rmtree(gone)
    listed = {model.name: model for model in ModelsServicer([], LocalPool([], 0))._list()}
    assert (listed[prior].kind, listed[prior].installed) == ("prior", True)
    assert (listed[describer].kind, listed[describer].installed) == ("describer", True)
    assert not listed[away].installed


def test_a_linked_folder_that_went_away_says_where_it_was(tmp_path):
    folder = tiny_models.stable_diffusion(tmp_path / "model", "epsilon")
    name = store.link(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=rf"was at {folder}, which is gone"):
        store.resolve(name)


@pytest.mark.parametrize("path", ["nothing/here", "pyproject.toml"])
def test_what_cannot_be_a_model_is_not_linked(path, tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(ModelError, match="neither a folder nor"):
        store.link(tmp_path / path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}'])
def test_a_broken_manifest_is_one_sentence(text):
    folder = store.folder_of("sd21")
    folder.mkdir(parents=True)
    (folder / store.MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="cannot be read; run 'ldrps models remove sd21' and"):
        store.read_manifest("sd21")


def test_the_bundled_model_is_verified_and_never_removed():
    assert store.verify("bundled") > 1_000_000
    with pytest.raises(ModelError, match="part of the program"):
        store.remove("bundled")


@pytest.mark.parametrize(
    ("kind", "named", "left_out"),
    [("prior", "sd21", "qwen3-vl-2b"), ("describer", "qwen3-vl-2b", "sd21"), (None, "taesd", "")],
)
def test_an_unknown_name_lists_models_of_its_kind(kind, named, left_out):
    with pytest.raises(ModelError, match="'nope' is not known; known are") as raised:
        store.resolve("nope", kind)
    assert named in str(raised.value)
    assert not left_out or left_out not in str(raised.value)


def test_a_describer_is_no_prior():
    folder = store.folder_of("smolvlm2-256m")
    folder.mkdir(parents=True)
    store.write_manifest("smolvlm2-256m", store.Manifest("", "", {}))
    with pytest.raises(ModelError, match="is no prior"):
        load_prior("smolvlm2-256m", Placement())


@pytest.mark.parametrize(
    ("name", "kind"), [("taesd", "prior"), ("qwen3-vl-2b", "prior"), ("bundled", "describer")]
)
def test_a_model_of_another_kind_is_not_offered_for_download(name, kind):
    with pytest.raises(ModelError, match=f"'{name}' is no {kind}; 'ldrps models list' says"):
        store.resolve(name, kind)


def test_a_prior_that_is_loaded_describes_nothing():
    models = ModelCache("cpu")
    models.prior("bundled")
    with pytest.raises(ModelError, match="'bundled' is no describer"):
        models.describer("bundled")


def test_weights_are_counted_from_headers(tmp_path):
    folder = tiny_models.stable_diffusion(tmp_path / "model", "epsilon")
    expected = sum(
        value.numel()
        for path in folder.rglob("*.safetensors")
        for value in load_file(path).values()
    )
    assert count_weights(folder) == expected
    half = {
        k: v.half()
        for k, v in load_file(folder / "vae/diffusion_pytorch_model.safetensors").items()
    }
    save_file(half, folder / "vae/diffusion_pytorch_model.fp16.safetensors")
    assert count_weights(folder) == expected
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\xff" * 40)
    assert 0 < count_weights(folder) < expected


def test_transformers_weights_that_are_missing_are_not_made_up(tmp_path):
    folder = tiny_models.stable_diffusion(tmp_path / "model", "epsilon")
    path = folder / "text_encoder/model.safetensors"
    weights = load_file(path)
    gone = sorted(weights)[0]
    del weights[gone]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="text_encoder does not fit its configuration: 1 weights"):
        load_prior(str(folder), Placement())


@pytest.fixture
def sharded(tmp_path):
    """Weights in several files with an index, as large models are published."""
    folder = tiny_models.flux2(tmp_path / "model")
    for part, kind in (("transformer", diffusers.Flux2Transformer2DModel),
                       ("text_encoder", transformers.Qwen3ForCausalLM)):  # fmt: skip
        network = kind.from_pretrained(folder / part)
        for path in (folder / part).glob("*.safetensors"):
            path.unlink()
        network.save_pretrained(folder / part, max_shard_size="20KB")
        assert len(list((folder / part).glob("*.safetensors"))) > 1
    return folder


def test_weights_in_several_files_are_read_and_counted(sharded, tmp_path):
    whole = tiny_models.flux2(tmp_path / "whole")
    assert count_weights(sharded) == count_weights(whole)
    words = "a red photo"
    found, expected = (load_prior(str(f), Placement()).embed(words) for f in (sharded, whole))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_damaged_shard_is_one_sentence(sharded, part, damage):
    shard = sorted((sharded / part).glob("*.safetensors"))[-1]
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-500])
    with pytest.raises(ModelError, match=f"{part} cannot be loaded") as caught:
        load_prior(str(sharded), Placement())
    assert "\n" not in str(caught.value)


def test_the_tiny_autoencoder_counts_as_part_of_its_prior(tmp_path):
    folder = str(tiny_models.stable_diffusion(tmp_path / "model", "epsilon"))
    alone = prior_bytes(folder, Placement())
    tiny_models.tiny_autoencoder(store.folder_of("taesd"))
    store.write_manifest("taesd", store.Manifest("", "", {}))
    both = prior_bytes(folder, Placement())
    assert both - alone == 4 * count_weights(store.folder_of("taesd")) > 0


def test_a_single_file_wants_its_familys_configuration(tmp_path):
    path = tmp_path / "mine.safetensors"
    # What tells a Stable Diffusion 1 checkpoint to diffusers.
    block = "model.diffusion_model.input_blocks.2.1.transformer_blocks.0"
    save_file({f"{block}.attn2.to_k.weight": torch.zeros(320, 768)}, path)
    with pytest.raises(ModelError, match="run 'ldrps models pull sd15'"):
        load_prior(str(path), Placement())


def test_a_single_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"rubbish")
    with pytest.raises(ModelError, match=r"mine\.safetensors cannot be loaded"):
        load_prior(str(path), Placement())


# Residency


@pytest.fixture
def folders(tmp_path):
    return [str(tiny_models.stable_diffusion(tmp_path / k, "epsilon")) for k in "abc"]


def test_models_stay_warm_while_they_fit_and_the_longest_unused_goes_first(folders):
    first, second, third = folders
    one = ModelCache(budget=10**9)
    one.prior(first)
    size = one.residents()[0].bytes
    models = ModelCache(budget=int(2.7 * size))
    models.prior(first)
    models.prior(second)
    models.prior(first)
    assert [r.name for r in models.residents()] == [first, second]
    models.prior(third)
    assert [r.name for r in models.residents()] == [third, first]
    newest = models.residents()[0]
    assert newest.load_seconds > 0
    assert newest.idle_seconds < models.residents()[1].idle_seconds


def test_a_model_can_be_unloaded_and_comes_back(folders):
    models = ModelCache()
    before = models.prior(folders[0])
    assert models.unload(folders[0])
    assert not models.unload(folders[0])
    assert models.loaded() == []
    assert models.prior(folders[0]) is not before


def test_a_model_at_rest_works_again(folders):
    models = ModelCache()
    prior = models.prior(folders[0])
    models.rest()
    assert prior._parts.here() == ()
    prior.embed("a red photo")
    assert prior._parts.here() == ("text_encoder",)


def test_frugal_means_one_model_at_a_time_and_in_tiles(folders):
    models = ModelCache(low_memory=True)
    prior = models.prior(folders[0])
    network = prior._parts.use("vae")
    assert network.use_tiling
    assert network.use_slicing
    assert not ModelCache().prior(folders[0])._parts.use("vae").use_tiling
    models.prior(folders[1])
    assert models.loaded() == [folders[1]]


def test_a_model_too_large_for_the_memory_is_refused_before_it_is_read(folders):
    models = ModelCache(budget=1000)
    with pytest.raises(ModelError, match="too large for the memory there is") as caught:
        models.prior(folders[0])
    assert MEMORY_VARIABLE in str(caught.value)
    assert models.loaded() == []


@pytest.mark.parametrize(
    ("text", "count"), [("8GB", 8 * 10**9), ("500 mb", 5 * 10**8), ("1.5GB", 15 * 10**8), ("9", 9)]
)
def test_amounts_of_memory(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "8 GiB", "1e9"])
def test_what_is_no_amount_of_memory(text):
    with pytest.raises(SettingsError, match="write it like 8GB"):
        parse_bytes(text)


@pytest.mark.parametrize("share", ["2", "-1", "half", "nan"])
def test_a_describers_share_is_a_share(share, monkeypatch):
    monkeypatch.setenv("LDRPS_DESCRIBER_SHARE", share)
    with pytest.raises(LdrpsError, match="use a number from 0 to 1"):
        ModelCache()
