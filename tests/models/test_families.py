"""The matrix in docs/guide/models.md: every family on tiny models of its own classes."""

import json
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from ldrps_engine.errors import ModelError
from ldrps_engine.model_store import store
from ldrps_engine.photo import Photo
from ldrps_engine.priors.model_cache import ModelCache
from ldrps_engine.priors.placement import Placement, network_bytes
from ldrps_engine.priors.registry import load_prior
from ldrps_engine.restore import restore
from ldrps_engine.settings import Settings
from support import pictures, tiny_models
from support.lazy import diffusers

DOCUMENT = Path(__file__).parents[2] / "docs" / "guide" / "models.md"


def sd16(folder):
    """Sixteen latent channels and a shift, as newer autoencoders have."""
    return tiny_models.stable_diffusion(folder, "v_prediction", channels=16)


def flux2_guided(folder):
    """Model that is not distilled, with a fixed shift of the schedule."""
    return tiny_models.flux2(folder, distilled=False, dynamic=False)


# Name in the matrix, the maker, latent channels, what goes with it.
FAMILIES = {
    "Stable Diffusion 1, epsilon": (lambda f: tiny_models.stable_diffusion(f, "epsilon"), 4),
    "Stable Diffusion 2, v": (lambda f: tiny_models.stable_diffusion(f, "v_prediction"), 4),
    "16 channels with a shift": (sd16, 16),
    "SDXL": (tiny_models.stable_diffusion_xl, 4),
    "FLUX.2, distilled": (tiny_models.flux2, 128),
    "FLUX.2, guided": (flux2_guided, 128),
}


@dataclass(frozen=True)
class Family:
    """One row of the matrix: its title, a folder with a model of it, its latent channels."""

    title: str
    folder: Path
    channels: int

    def load(self, **placement):
        return load_prior(str(self.folder), Placement(**placement))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    make, channels = FAMILIES[request.param]
    return Family(request.param, make(tmp_path_factory.mktemp("family")), channels)


@pytest.fixture
def prior(family):
    return family.load()


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loads(family):
    prior = family.load()
    assert prior.channels == family.channels
    assert prior.total_bytes() > 1000


def encodes(family):
    latents = family.load().encode(torch.rand(2, 3, 64, 96, generator=torch.manual_seed(0)))
    factor = 16 if family.channels == 128 else 8
    assert tuple(latents.shape) == (2, family.channels, 64 // factor, 96 // factor)
    assert torch.isfinite(latents).all()


def decodes(family):
    prior, image = family.load(), torch.rand(2, 3, 64, 96, generator=torch.manual_seed(0))
    leaf = prior.encode(image).requires_grad_()
    found = prior.decode(leaf)
    assert found.shape == image.shape
    assert torch.isfinite(found).all()
    (gradient,) = torch.autograd.grad(found.sum(), leaf)
    assert gradient.abs().sum() > 0


def denoises(family):
    prior, noisy = family.load(), random(1, family.channels, 4, 4)
    text, empty = prior.embed("a red photo"), prior.embed("")
    clean = prior.denoise(noisy, 500, text, empty, 4.0)
    assert clean.shape == noisy.shape
    assert torch.isfinite(clean).all()
    plain = prior.denoise(noisy, 500, text, empty, 1.0)
    # Guidance that was built in by distillation costs no second evaluation.
    assert torch.equal(clean, plain) == prior.is_distilled


def minds_the_text(family):
    prior, noisy = family.load(), random(1, family.channels, 4, 4)
    red, blue = (
        prior.denoise(noisy, 700, prior.embed(words), prior.embed(""), 2.0)
        for words in ("red", "blue")
    )
    assert not torch.allclose(red, blue, atol=1e-6)


def restores(family):
    dark = pictures.samples(pictures.darkened(pictures.natural(64, 64)), np.uint8)
    settings = Settings(model=str(family.folder), recipe="low-light", steps=2, recurrences=1)
    pixels = restore(Photo.from_samples(dark), settings, ModelCache()).photo.pixels
    assert pixels.shape == (64, 64, 3)
    assert np.isfinite(pixels).all()


def saves_memory(family):
    whole = family.load()
    largest = max(network_bytes(network) for network in whole._parts._networks.values())
    tight = family.load(budget=largest)
    noisy = random(1, family.channels, 4, 4)
    text = tight.embed("a red photo")
    found = tight.denoise(noisy, 500, text, tight.embed(""), 2.0)
    assert torch.allclose(found, whole.denoise(noisy, 500, text, whole.embed(""), 2.0))
    # The text encoder has made room for the denoiser.
    assert len(tight._parts.here()) < len(tight._parts._networks)
    assert tight._parts.use("vae").use_tiling
    assert tight._parts.use("vae").use_slicing


FEATURES = {
    "load": loads,
    "encode": encodes,
    "decode": decodes,
    "denoise": denoises,
    "text": minds_the_text,
    "restore 64x64": restores,
    "save memory": saves_memory,
}
SEEN = {}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_family_does(family, feature):
    SEEN[family.title, feature] = "no"
    FEATURES[feature](family)
    SEEN[family.title, feature] = "yes"


def test_the_matrix_in_the_documentation_is_what_was_seen_here():
    if len(SEEN) < len(FAMILIES) * len(FEATURES):
        pytest.skip("only some of the matrix was tested in this run")
    rows = [["family", *FEATURES], ["---"] * (1 + len(FEATURES))]
    rows += [[title, *(SEEN[title, feature] for feature in FEATURES)] for title in FAMILIES]
    matrix = "\n".join(f"| {' | '.join(row)} |" for row in rows).replace(" --- ", "---")
    assert matrix in DOCUMENT.read_text(), f"docs/guide/models.md wants:\n{matrix}"


def test_its_latents_are_brought_to_its_own_scale_and_back(prior):
    latents = prior.encode(torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0)))
    config = prior._parts.use("vae").config
    again = prior._scaled(prior._plain(latents, config), config)
    assert torch.allclose(again, latents, atol=1e-4)


def test_its_schedule_falls_from_almost_clean_to_almost_noise(prior):
    assert torch.all(prior.alphas.diff() < 0)
    assert prior.alphas[0] > 0.99
    assert prior.alphas[-1] < 0.01


def test_tiles_are_smaller_than_the_view_where_memory_is_short(tmp_path):
    folder = str(tiny_models.stable_diffusion(tmp_path / "model", "epsilon"))
    config = Path(folder, "vae", "config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": 512}))
    whole = load_prior(folder, Placement())
    tight = load_prior(folder, Placement(budget=whole.total_bytes()))
    network = tight._parts.use("vae")
    assert network.tile_sample_min_size == tight.view // 2
    scale = network.tile_sample_min_size // network.tile_latent_min_size
    latents = random(1, 4, tight.view // scale, tight.view // scale)
    found, expected = tight.decode(latents), whole.decode(latents)
    assert found.shape == expected.shape
    assert not torch.equal(found, expected)


def test_it_works_layer_by_layer_where_a_network_alone_does_not_fit(family):
    pytest.importorskip("accelerate")
    streamed = family.load(budget=20_000)
    assert streamed._parts.streamed
    noisy = random(1, family.channels, 4, 4)
    text = streamed.embed("a red photo")
    whole = family.load()
    found = streamed.denoise(noisy, 500, text, streamed.embed(""), 1.0)
    assert torch.allclose(found, whole.denoise(noisy, 500, text, text, 1.0), atol=1e-5)
    assert torch.isfinite(streamed.decode(streamed.encode(torch.rand(1, 3, 64, 64)))).all()


def test_what_does_not_fit_and_cannot_be_streamed_is_refused(family, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ModelError, match=r"too large for the memory there is: \w+ alone needs"):
        family.load(budget=1000)


def install_tiny(name, make):
    make(store.folder_of(name))
    store.write_manifest(name, store.Manifest("", "", {}))


@pytest.mark.parametrize(
    ("make", "name", "tiny"),
    [
        (tiny_models.stable_diffusion, "taesd", tiny_models.tiny_autoencoder),
        (tiny_models.stable_diffusion_xl, "taesdxl", tiny_models.tiny_autoencoder),
        (tiny_models.flux2, "flux2-small-decoder", tiny_models.flux2_small_decoder),
    ],
)
def test_an_installed_tiny_autoencoder_stands_in_far_from_the_end(tmp_path, make, name, tiny):
    folder = make(tmp_path / "model")
    assert not load_prior(str(folder), Placement()).has_quick
    install_tiny(name, tiny)
    prior = load_prior(str(folder), Placement())
    assert prior.has_quick
    latents = prior.encode(torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0)))
    assert prior.decode_quickly(latents).shape == (1, 3, 64, 64)
    assert not torch.allclose(prior.decode_quickly(latents), prior.decode(latents))


def test_a_tiny_autoencoder_of_other_latents_is_left_alone(tmp_path):
    install_tiny("taesd", tiny_models.tiny_autoencoder)
    assert not load_prior(str(sd16(tmp_path / "model")), Placement()).has_quick
    assert not load_prior("bundled", Placement()).has_quick


def test_a_flows_step_is_the_samplers_step(tmp_path):
    """One DDIM step between two of our alphas is one Euler step of diffusers' flow sampler."""
    prior = load_prior(str(flux2_guided(tmp_path / "model")), Placement())
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=[1.0, 0.6, 0.3])
    first, second = float(scheduler.sigmas[1]), float(scheduler.sigmas[2])
    step, after = (int((prior._schedule.sigmas - s).abs().argmin()) for s in (first, second))
    flowing = random(1, 128, 2, 2)
    velocity = random(1, 128, 2, 2, seed=1)
    theirs = flowing + (float(prior._schedule.sigmas[after]) - first) * velocity
    length, next_length = (prior._schedule._length(k) for k in (step, after))
    noisy = flowing / length
    clean = prior._schedule.clean(noisy, velocity, step)
    alpha, next_alpha = float(prior.alphas[step]), float(prior.alphas[after])
    noise = (noisy - math.sqrt(alpha) * clean) / math.sqrt(1 - alpha)
    ours = math.sqrt(next_alpha) * clean + math.sqrt(1 - next_alpha) * noise
    # The table has a thousand levels; the scheduler's lies between two.
    assert torch.allclose(ours * next_length, theirs, atol=5e-3)


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_a_missing_component_of_another_family_is_named(tmp_path, part):
    folder = tiny_models.flux2(tmp_path / "model")
    shutil.rmtree(folder / part)
    with pytest.raises(ModelError, match=f"lacks {part}"):
        load_prior(str(folder), Placement())


def test_a_family_that_is_not_known_is_named_with_the_known_ones(tmp_path):
    folder = tiny_models.stable_diffusion(tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "Kandinsky"}))
    with pytest.raises(ModelError, match=r"of the kind Kandinsky; known are StableDiffusion"):
        load_prior(str(folder), Placement())
