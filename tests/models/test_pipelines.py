"""A few steps through our priors end at the picture that diffusers' own pipelines make.

On tiny models with random weights: what differs between tiny and published is the size alone.
"""

import contextlib
import itertools
import math

import pytest
import torch

from ldrps_engine.priors.placement import Placement
from ldrps_engine.priors.registry import load_prior
from ldrps_engine.priors.schedule import Schedule
from support import tiny_models
from support.lazy import diffusers

WORDS, STEPS, SCALE, SIDE = "a red photo", 4, 5.0, 64
LAYERS = (1, 2, 3)


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())


def theirs(kind, folder, start, **more):
    pipeline = kind.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    if not kind.__name__.startswith("Flux"):
        pipeline.scheduler = diffusers.DDIMScheduler.from_pretrained(folder / "scheduler")
    made = pipeline(
        prompt=WORDS, height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=SCALE,
        latents=start, output_type="pt", **more,
    )  # fmt: skip
    return made.images, pipeline.scheduler


def ours(prior, noisy, steps, alphas):
    """DDIM: from level to level with the noise that was predicted."""
    text, empty = prior.embed(WORDS), prior.embed("")
    for step, (here, after) in zip(steps, itertools.pairwise(alphas), strict=True):
        clean = prior.denoise(noisy, step, text, empty, SCALE)
        noise = (noisy - math.sqrt(here) * clean) / math.sqrt(1 - here)
        noisy = math.sqrt(after) * clean + math.sqrt(1 - after) * noise
    return prior.decode(noisy).detach().clamp(0, 1)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda f: tiny_models.stable_diffusion(f, "epsilon"), "StableDiffusionPipeline"),
        (tiny_models.stable_diffusion, "StableDiffusionPipeline"),
        (tiny_models.stable_diffusion_xl, "StableDiffusionXLPipeline"),
    ],
    ids=["epsilon", "v", "sdxl"],
)
def test_stable_diffusion(tmp_path, make, kind):
    folder = make(tmp_path / "model")
    start = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.manual_seed(0))
    kind = getattr(diffusers, kind)
    expected, scheduler = theirs(kind, folder, start.clone(), eta=0.0)
    prior = load_prior(str(folder), Placement())
    steps = scheduler.timesteps.tolist()
    alphas = [float(prior.alphas[step]) for step in steps] + [float(scheduler.final_alpha_cumprod)]
    found = ours(prior, start, steps, alphas)
    assert torch.allclose(found, expected, atol=1e-4)
    assert expected.std() > 0.01


@pytest.mark.parametrize("distilled", [True, False])
def test_flux2(tmp_path, distilled):
    folder = tiny_models.flux2(tmp_path / "model", distilled=distilled)
    start = torch.randn(1, 128, SIDE // 16, SIDE // 16, generator=torch.manual_seed(0))
    kind = diffusers.Flux2KleinPipeline
    expected, scheduler = theirs(kind, folder, start.clone(), text_encoder_out_layers=LAYERS)
    prior = load_prior(str(folder), Placement())
    sigmas = scheduler.sigmas[:-1]
    alphas = (1 - sigmas) ** 2 / ((1 - sigmas) ** 2 + sigmas**2)
    prior._schedule = Schedule(alphas, "flow", sigmas)
    # A flow ends at the clean latent.
    found = ours(prior, start, range(STEPS), [*alphas.tolist(), 1.0])
    assert torch.allclose(found, expected, atol=1e-4)
    assert expected.std() > 0.01
