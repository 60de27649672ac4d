"""Models load by name through one class, and what cannot be loaded says so in one sentence."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.store import folder_of
from ldrps_engine.photo import Photo
from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from ldrps_engine.priors.stable_diffusion import StableDiffusion
from ldrps_engine.progress import Loading
from ldrps_engine.restore import ModelCache, restore
from ldrps_engine.settings import Settings
from support import pictures
from support.tiny_models import stable_diffusion

BUNDLED = folder_of("bundled")
# 60 MB at 16 bits.
MOST_PARAMETERS = 30_000_000


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_bundled_model_is_a_model_of_good_photos(bundled):
    assert bundled.name == "bundled"
    assert bundled.multiple == 16
    # Trained to zero signal at the last step, so that pure noise is a fair start.
    assert bundled.alphas[-1] == 0
    assert bundled.alphas[0] > 0.999
    assert torch.all(bundled.alphas.diff() < 0)


def test_the_bundled_model_is_small(bundled):
    # Counted in the files: the same for whoever loads them.
    names = ("unet/diffusion_pytorch_model", "text_encoder/model")
    files = [load_file(BUNDLED / f"{name}.safetensors") for name in names]
    assert 1e6 < sum(value.numel() for file in files for value in file.values()) < MOST_PARAMETERS


def test_nothing_that_ships_could_run_code_when_it_is_read():
    files = [path for path in BUNDLED.parent.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files if path.name != "LICENSE"}
    assert kinds == {".json", ".safetensors", ".tsv"}


def test_the_bundled_weights_are_the_recorded_ones():
    recorded = json.loads((BUNDLED / "weights.json").read_text())["sha256"]
    files = {str(path.relative_to(BUNDLED)): path for path in BUNDLED.rglob("*.safetensors")}
    assert {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items()} == recorded


def test_the_bundled_model_takes_noise_out(bundled, natural):
    image = torch.from_numpy(natural[:64, :64]).permute(2, 0, 1)[None]
    clean = bundled.encode(image)
    step = int(
        (((1 - bundled.alphas) / bundled.alphas.clamp(min=1e-8)).sqrt() - 0.3).abs().argmin()
    )
    alpha = bundled.alphas[step]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * random(*clean.shape)
    text = bundled.embed("grey above")
    found = bundled.denoise(noisy, step, text, text, 1.0)
    before = (noisy / alpha.sqrt() - clean).square().mean()
    # An untrained network of this shape takes nothing away.
    assert (found - clean).square().mean() < 0.5 * before


def test_a_prior_turns_images_into_latents_and_back(bundled, tiny):
    for prior, channels, side in ((bundled, 12, 2), (tiny, 4, 8)):
        latents = prior.encode(torch.rand(1, 3, 64, 96, generator=torch.manual_seed(0)))
        assert tuple(latents.shape) == (1, channels, 64 // side, 96 // side)
        assert tuple(prior.decode(latents).shape) == (1, 3, 64, 96)


def test_the_step_that_removes_an_image_error(bundled, tiny):
    # Orthonormal, and images span [0, 1] where latents span [-1, 1]: |J|^2 is a quarter.
    assert bundled.step_size == pytest.approx(4, rel=1e-3)
    assert tiny.step_size > 0


def test_a_model_says_whether_it_loses_detail(bundled, tiny):
    assert not bundled.knows_scenes
    assert tiny.knows_scenes


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_denoising_is_the_published_formula(tiny, tiny_folder, scale, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.no_grad())
    kind = json.loads((tiny_folder / "scheduler/scheduler_config.json").read_text())
    noisy, step = random(1, 4, 8, 8), 600
    text, empty = tiny.embed("a red photo"), tiny.embed("")
    alpha = tiny.alphas[step]
    with torch.no_grad():
        unet = tiny._parts.use("unet")
        given, none = (
            unet(noisy, step, encoder_hidden_states=words).sample for words in (text, empty)
        )
    out = none + scale * (given - none)
    if kind["prediction_type"] == "v_prediction":
        expected = alpha.sqrt() * noisy - (1 - alpha).sqrt() * out
    else:
        expected = (noisy - (1 - alpha).sqrt() * out) / alpha.sqrt()
    found = tiny.denoise(noisy, step, text, empty, scale)
    # Eight times the guidance multiplies the rounding of single floats eightfold.
    assert torch.allclose(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(text, empty)


def test_the_text_matters_and_the_whole_batch_gets_it(tiny):
    noisy = random(2, 4, 8, 8)
    empty = tiny.embed("")
    red, blue = (tiny.denoise(noisy, 500, tiny.embed(w), empty, 8.0) for w in ("red", "blue"))
    assert not torch.allclose(red[0], blue[0])
    assert not torch.allclose(red[1], blue[1])


@pytest.mark.parametrize("recipe", ["low-light", "paper"])
def test_a_published_models_classes_restore_a_photo(tiny_folder, recipe):
    dark = pictures.samples(pictures.darkened(pictures.natural(32, 32)), np.uint8)
    settings = Settings(recipe=recipe, model=str(tiny_folder), steps=2, recurrences=1)
    models = ModelCache()
    found = restore(Photo.from_samples(dark), settings, models)
    assert found.photo.pixels.shape == (32, 32, 3)
    assert np.isfinite(found.photo.pixels).all()
    assert models.loaded() == [str(tiny_folder)]


def test_a_model_is_loaded_once_and_says_so(tiny_folder):
    said, name, models = [], str(tiny_folder), ModelCache()
    first = models.prior(name, said.append)
    assert said == [Loading(name, 0.0), Loading(name, 1.0)]
    assert models.prior(name, said.append) is first
    assert len(said) == 2


@pytest.fixture
def broken(tmp_path):
    """A model of one's own to break."""
    return stable_diffusion(tmp_path / "model")


def sentence(folder):
    with pytest.raises(ModelError) as caught:
        StableDiffusion(folder, "mine", Placement())
    text = str(caught.value)
    assert "model 'mine'" in text
    assert "\n" not in text
    return text


def test_an_unknown_name_is_answered_with_the_installed_ones():
    with pytest.raises(ModelError, match=r"^model 'sd99' is not known; known are .*bundled.*sd21"):
        load_prior("sd99", Placement())


def test_an_unknown_name_fails_before_anything_is_worked_on(natural):
    photo = Photo.from_samples(pictures.samples(natural, np.uint8))
    with pytest.raises(ModelError, match="not known"):
        restore(photo, Settings(model="sd99"), ModelCache())


def test_an_empty_folder_is_not_installed(tmp_path):
    assert "not installed" in sentence(tmp_path)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(broken, part):
    shutil.rmtree(broken / part)
    assert f"lacks {part}" in sentence(broken)


def test_a_component_that_the_index_does_not_know_is_named(broken):
    index = json.loads((broken / "model_index.json").read_text())
    del index["unet"]
    (broken / "model_index.json").write_text(json.dumps(index))
    assert "lacks unet" in sentence(broken)


@pytest.mark.parametrize("text", ["[]", "{}", '"vae"', '{"vae": null}'])
def test_an_index_without_components_is_refused(broken, text):
    (broken / "model_index.json").write_text(text)
    assert "lacks" in sentence(broken)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe"])
def test_an_index_that_is_no_json_is_refused(broken, data):
    (broken / "model_index.json").write_bytes(data)
    assert "model_index.json cannot be read" in sentence(broken)


def test_an_unknown_autoencoder_is_named_with_the_known_ones(broken):
    index = json.loads((broken / "model_index.json").read_text())
    index["vae"] = ["diffusers", "VQModel"]
    (broken / "model_index.json").write_text(json.dumps(index))
    text = sentence(broken)
    assert "VQModel" in text
    assert "AutoencoderKL" in text


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("vae", "diffusion_pytorch_model"),
        ("unet", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ],
)
def test_pickled_weights_are_refused(broken, part, name):
    weights = broken / part / f"{name}.safetensors"
    pickled = name if part != "text_encoder" else "pytorch_model"
    torch.save(load_file(weights), broken / part / f"{pickled}.bin")
    weights.unlink()
    assert "safetensors" in sentence(broken)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder"])
def test_weights_that_were_cut_off_are_refused(broken, part):
    weights = next((broken / part).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in sentence(broken)


def test_weights_of_another_shape_are_refused(broken):
    path = broken / "unet" / "config.json"
    config = json.loads(path.read_text())
    config["cross_attention_dim"] = 24
    path.write_text(json.dumps(config))
    assert "cannot be loaded" in sentence(broken)
