"""Networks of our own are read without the libraries whose format their folders have."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.store import folder_of
from ldrps_engine.priors.components import load_network
from ldrps_engine.priors.latent_unet import LatentUNet
from ldrps_engine.priors.own_network import WEIGHTS
from ldrps_engine.priors.patch_autoencoder import PatchAutoencoder
from ldrps_engine.priors.schedule import read_schedule
from ldrps_engine.priors.text_encoder import OwnTextEncoder, OwnTokenizer

TEXTS = ["", "a red house by the sea", "Zürich, snow! " * 20]


def test_the_bundled_model_imports_neither_diffusers_nor_transformers():
    program = (
        "import sys\n"
        "from ldrps_engine.priors.placement import Placement\n"
        "from ldrps_engine.priors.registry import load_prior\n"
        "prior = load_prior('bundled', Placement(device='cpu'))\n"
        "prior.embed('a house')\n"
        "found = {'diffusers', 'transformers', 'torch._dynamo'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_texts_are_read_and_embedded_as_transformers_does():
    from transformers import AutoTokenizer, CLIPTextModel

    folder = folder_of("bundled")
    theirs = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    ours = OwnTokenizer(folder / "tokenizer", theirs.model_max_length)
    given = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
    ids = ours(TEXTS, **given)["input_ids"]
    assert torch.equal(ids, theirs(TEXTS, **given)["input_ids"])
    published = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    encoder = OwnTextEncoder.from_pretrained(folder / "text_encoder", torch.float32)
    with torch.no_grad():
        wanted = published(input_ids=ids).last_hidden_state
        found = encoder(input_ids=ids).last_hidden_state
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_schedule_is_what_diffusers_makes_of_it():
    from diffusers import DDIMScheduler

    folder = folder_of("bundled") / "scheduler"
    wanted = DDIMScheduler.from_pretrained(folder, local_files_only=True)
    found = read_schedule(folder, "DDIMScheduler", "bundled")
    assert torch.equal(found.alphas, wanted.alphas_cumprod.float())


def test_weights_that_do_not_fit_are_named(tmp_path):
    folder = Path(shutil.copytree(folder_of("bundled") / "unet", tmp_path / "unet"))
    weights = load_file(folder / WEIGHTS)
    weights.pop("tail.weight")
    weights["head.weight"] = weights["head.weight"][:1]
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match="2 weights are missing or of another shape"):
        load_network(LatentUNet, folder, torch.float32, "bundled")
    with pytest.raises(ValueError, match="2 weights do not fit"):
        LatentUNet.from_pretrained(folder)


def test_an_activation_that_is_not_known_is_refused(tmp_path):
    folder = Path(shutil.copytree(folder_of("bundled") / "text_encoder", tmp_path / "text"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    with pytest.raises(ModelError, match="text cannot be loaded: its activation is gelu"):
        load_network(OwnTextEncoder, folder, torch.float32, "bundled")


def test_a_configuration_keeps_what_the_constructor_was_given():
    vae = PatchAutoencoder(2, latent_channels=12)
    assert vae.config.patch_size == 2
    assert vae.config.get("latent_std") is None
    with pytest.raises(AttributeError, match="has no strange"):
        _ = vae.config.strange
    again = PatchAutoencoder.from_config(vae.config | {"_class_name": "PatchAutoencoder"})
    assert dict(again.config) == dict(vae.config)
