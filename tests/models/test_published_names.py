"""Weights under the names they were published with: libraries have renamed layers since.

Tiny models are written by today's libraries, under today's names.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldrps_engine.model_store import store
from ldrps_engine.priors import single_file
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from support import checkpoints, tiny_models

# Of the autoencoders of Stable Diffusion 1 and 2.
_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def renamed(path, rename, **more):
    weights = {rename(name): value for name, value in load_file(path).items()}
    save_file(weights | more, path, metadata={"format": "pt"})


def text_name(name):
    return name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"


def attention_name(name):
    for new, old in _ATTENTION.items():
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


@pytest.mark.parametrize("make", [tiny_models.stable_diffusion, tiny_models.stable_diffusion_xl])
def test_stable_diffusion_under_its_published_names(tmp_path, make):
    expected = load_prior(str(make(tmp_path / "new")), Placement())
    folder = make(tmp_path / "old")
    # An index that older versions kept among the weights.
    places = {"text_model.embeddings.position_ids": torch.arange(16)[None]}
    for part in folder.glob("text_encoder*"):
        renamed(part / "model.safetensors", text_name, **places)
    renamed(folder / "vae" / "diffusion_pytorch_model.safetensors", attention_name)
    found = load_prior(str(folder), Placement())
    assert torch.equal(found.embed("a red photo"), expected.embed("a red photo"))
    image = torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0))
    assert torch.equal(found.encode(image), expected.encode(image))


def test_a_checkpoint_in_one_file_is_the_model_that_it_was_written_from(tmp_path, monkeypatch):
    folder = tiny_models.stable_diffusion(store.folder_of("sd15"), "epsilon")
    # As published: parts that are not fetched stand in the index.
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index))
    store.write_manifest("sd15", store.Manifest("", "", {}))
    expected = load_prior("sd15", Placement())
    for network in expected._parts._networks.values():
        for weight in network.parameters():
            weight.data = weight.data.half().float()
    path = checkpoints.single_file(folder, tmp_path / "mine.safetensors")
    # What the file is made of lies elsewhere: of the installed model only settings are taken.
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    found = load_prior(str(path), Placement())
    image = torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0))
    latents, text = expected.encode(image), expected.embed("a red photo")
    assert torch.equal(found.encode(image), latents)
    assert torch.equal(found.decode(latents), expected.decode(latents))
    assert torch.equal(found.embed("a red photo"), text)
    answers = [each.denoise(latents, 500, text, text, 1.0) for each in (found, expected)]
    assert torch.equal(*answers)
    # It is converted once, by whatever name it goes.
    monkeypatch.setattr(single_file, "_convert", None)
    assert load_prior(store.link(path), Placement()).name.startswith("local-mine-")
