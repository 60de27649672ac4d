"""The sampler against a slow transcription of LD-RPS's reverse step, and its ladder of steps.

The transcription below is written from the published description of the method, in plain
tensors and without any of the sampler's own code, so that the two can disagree.
"""

import contextlib
import copy
import dataclasses
import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy, conv2d, leaky_relu, mse_loss

from ldrps_engine.analysis.degradation import first_guess
from ldrps_engine.analysis.diagnosis import diagnose
from ldrps_engine.diffusion import alignment, losses
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.ensemble import Combination
from ldrps_engine.diffusion.fpam import ConvolutionalFpam
from ldrps_engine.diffusion.ldrps import Threshold
from ldrps_engine.diffusion.proximal import ProximalStep
from ldrps_engine.diffusion.recipes import LOW_LIGHT_SCRIPT, make_sampling_plan
from ldrps_engine.diffusion.reverse import Conditions
from ldrps_engine.diffusion.sampling import Sampler
from ldrps_engine.priors.placement import Parts, Placement
from ldrps_engine.settings import Settings
from support import pictures

SIZE = 32


class Published:
    """LD-RPS's reverse step, step by step as the paper and its public code describe it."""

    guidance_scale = 8.0
    percentile, most = 0.995, 100.0

    def __init__(self, prior, photo, text, empty, aligner, plan):
        self.unet, self.vae = prior._parts.use("unet"), prior._parts.use("vae")
        self.alphas = prior.alphas.double()
        self.predicts_noise = prior._schedule.kind == "epsilon"
        self.text, self.empty = text, empty
        # Two independent latents are carried side by side; they share f, d and the photo.
        self.y = photo.expand(plan.ensemble.latents, -1, -1, -1)
        self.f = _trainable(aligner.fpam)
        self.d = _trainable(aligner.discriminator)
        self.plan = plan
        how = plan.alignment
        self.adam_f = torch.optim.Adam(self.f.values(), lr=how.rate)
        self.adam_d = torch.optim.Adam(self.d.values(), lr=how.discriminator_rate)
        # The published s belongs to 512x512 photos; a mean over fewer samples has a larger
        # gradient in each of them.
        self.s = plan.reverse_step.guidance.scale * (photo.shape[-1] / 512) ** 2

    def step(self, z_t, t, previous):
        a_t, a_prev = self.alphas[t], self.alphas[previous]
        with torch.no_grad():
            # 1. eps with classifier-free guidance; z0, thresholded.
            eps = self.epsilon(z_t, t, self.text)
            none = self.epsilon(z_t, t, self.empty)
            eps = none + self.guidance_scale * (eps - none)
            z_0 = (z_t - (1 - a_t).sqrt() * eps) / a_t.sqrt()
            limits = [torch.quantile(z.abs().flatten(), self.percentile) for z in z_0]
            limits = [limit.clamp(1, self.most) for limit in limits]
            z_0 = torch.stack([z.clamp(-k, k) for z, k in zip(z_0, limits, strict=True)])
            # 2. DDIM with eta 0.
            z_prev = a_prev.sqrt() * z_0 + (1 - a_prev).sqrt() * eps
        # 3. One Adam step of f and one of the discriminator.
        self.learn(self.decode(z_0).detach())
        # 4. Guidance, once the prior has laid out the scene.
        if t >= 700:
            return z_prev
        z_0 = z_0.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.guidance_loss(self.decode(z_0), t), z_0)
        return z_prev - self.s * gradient

    def epsilon(self, z_t, t, words):
        words = words.expand(len(z_t), -1, -1)
        out = self.unet(z_t, t, encoder_hidden_states=words).sample
        if self.predicts_noise:
            return out
        a_t = self.alphas[t]
        return a_t.sqrt() * out + (1 - a_t).sqrt() * z_t

    def decode(self, z_0):
        return (self.vae.decode(z_0 / self.vae.config.scaling_factor).sample + 1) / 2

    def align(self, x):
        f = self.f
        h = leaky_relu(conv2d(x, f["head.0.weight"], f["head.0.bias"], padding=1), 0.2)
        h = r = conv2d(h, f["head.2.weight"], f["head.2.bias"])
        for k in (0, 2, 4, 6):
            r = conv2d(r, f[f"residual.{k}.weight"], f[f"residual.{k}.bias"], padding=1)
            r = leaky_relu(r, 0.2) if k < 6 else r
        return h + r

    def discriminate(self, x):
        d = self.d
        for k in (0, 2, 4):
            x = conv2d(x, d[f"layers.{k}.weight"], d[f"layers.{k}.bias"], stride=2, padding=1)
            x = leaky_relu(x, 0.2)
        return torch.sigmoid(conv2d(x, d["layers.6.weight"], d["layers.6.bias"]))

    def learn(self, x):
        how = self.plan.alignment
        fx = self.align(x)
        loss = how.content * mse_loss(fx, x) + how.perceptual * losses.perceptual(fx, x)
        loss = loss + how.adversarial * _bce(self.discriminate(fx), 1.0)
        self.adam_f.zero_grad()
        loss.backward()
        self.adam_f.step()
        loss = _bce(self.discriminate(self.y), 1.0) + _bce(self.discriminate(fx.detach()), 0.0)
        self.adam_d.zero_grad()
        loss.backward()
        self.adam_d.step()

    def guidance_loss(self, x, t):
        weights = self.plan.reverse_step.guidance
        fx = self.align(x)
        loss = mse_loss(fx, self.y)
        loss = loss + weights.perceptual * losses.perceptual(fx, self.y)
        loss = loss + weights.adversarial * _bce(self.discriminate(fx), 1.0)
        if t < weights.tone_below:
            grey = nn.functional.avg_pool2d(x.mean(1, keepdim=True), 32)
            loss = loss + weights.exposure * ((grey - 0.5) ** 2).mean()
            for red, green, blue in x.mean((2, 3)):
                squares = (red - green) ** 2 + (green - blue) ** 2 + (blue - red) ** 2
                loss = loss + weights.grey_world * squares / len(x)
        return loss


def _trainable(module):
    return {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}


def _bce(probability, label):
    return binary_cross_entropy(probability, torch.full_like(probability, label))


@pytest.fixture
def exact(tiny, monkeypatch):
    """The tiny model in double precision throughout.

    Adam's first steps have the size of its rate whatever the gradient's, so that rounding of
    gradients near zero would grow to differences as large as those of another method.
    """
    prior = copy.copy(tiny)
    networks = {key: copy.deepcopy(tiny._parts.use(key)).double() for key in ("unet", "vae")}
    prior._parts = Parts(networks, Placement(), "exact")
    prior.texts = [tiny.embed(words) for words in ("a red photo", "")]
    vgg = copy.deepcopy(losses._vgg("cpu")).double()
    monkeypatch.setattr(losses, "_vgg", lambda _: vgg)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    return prior


def paper_plan(kind="low-light", **changes):
    neutral = diagnose(np.full((16, 16, 3), 0.5, np.float32))
    found = dataclasses.replace(
        neutral,
        grey=False,
        darkness=0.9 if kind == "low-light" else 0.0,
        haze=0.9 if kind == "haze" else 0.0,
    )
    plan = make_sampling_plan(Settings(recipe="paper"), found, 0.0)
    return dataclasses.replace(plan, **changes)


def with_step(plan, **changes):
    """The plan with a reverse step that differs from the published one."""
    return dataclasses.replace(plan, reverse_step=dataclasses.replace(plan.reverse_step, **changes))


def make_sampler(prior, plan, kind=torch.float32):
    texts = getattr(prior, "texts", None) or [prior.embed(w) for w in ("a red photo", "")]
    dark = pictures.darkened(pictures.natural(SIZE, SIZE))
    photo = torch.from_numpy(dark).permute(2, 0, 1)[None].contiguous().to(kind)
    guess = first_guess(dark, diagnose(dark), "auto")
    with pytest.MonkeyPatch.context() as patch:
        # An eighth of the published width: the same method in a fiftieth of the time.
        patch.setattr(alignment, "ConvolutionalFpam", partial(ConvolutionalFpam, width=8))
        aligner = Aligner(photo, guess, plan.alignment)
    aligner.fpam.to(kind)
    aligner.discriminator.to(kind)
    text, empty = (words.to(kind) for words in texts)
    generator = torch.Generator().manual_seed(0)
    sampler = Sampler(prior, aligner, Conditions(text, empty, 0.0), plan, generator)
    return sampler, Published(prior, photo, text, empty, aligner, plan)


def random(*shape, seed=0, **options):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **options)


# Twenty steps across 700, where guidance begins, and 150 and 100, where the terms of tone do.
LADDER = [960, 900, 840, 760, 710, 690, 640, 580, 520, 460, 400, 340, 280, 220, 160, 140, 110]
LADDER += [90, 60, 30, 10]


@pytest.mark.parametrize(
    ("tiny_folder", "kind"),
    [("v_prediction", "low-light"), ("epsilon", "haze"), ("epsilon", "noise")],
    indirect=["tiny_folder"],
)
def test_twenty_reverse_steps_are_the_published_ones(exact, kind):
    plan = paper_plan(kind)
    assert plan.ensemble.latents == 2
    sampler, reference = make_sampler(exact, plan, torch.float64)
    ours = theirs = random(2, 4, SIZE // 8, SIZE // 8, dtype=torch.float64)
    assert len(LADDER) == 21
    for step, following in itertools.pairwise(LADDER):
        _, ours = sampler.reverse_step(ours, step, following)
        theirs = reference.step(theirs, step, following)
        assert torch.allclose(ours, theirs, atol=1e-4), f"from {step} to {following}"


def test_the_two_latents_of_the_paper_recipe_differ_and_the_first_is_the_pilot(tiny):
    sampler, _ = make_sampler(tiny, paper_plan("noise", steps=2, recurrences=0))
    last = sampler.sample(torch.full((1, 3, SIZE, SIZE), 0.5), lambda *each: None)
    clean = sampler.state()["clean"]
    assert clean.shape[0] == 2
    assert not torch.allclose(clean[0], clean[1])
    assert torch.equal(last, tiny.decode(clean[:1]))


@pytest.mark.parametrize("changes", [{"threshold": None}, {"guidance": LOW_LIGHT_SCRIPT.guidance}])
def test_the_comparison_sees_a_change_of_method(exact, changes):
    sampler, _ = make_sampler(exact, with_step(paper_plan("haze"), **changes), torch.float64)
    _, reference = make_sampler(exact, paper_plan("haze"), torch.float64)
    noisy = random(2, 4, SIZE // 8, SIZE // 8, dtype=torch.float64)
    _, ours = sampler.reverse_step(noisy, 520, 330)
    theirs = reference.step(noisy, 520, 330)
    assert not torch.allclose(ours, theirs, atol=1e-4)


def test_the_last_step_ends_at_the_clean_latent(exact):
    sampler, reference = make_sampler(exact, paper_plan(), torch.float64)
    noisy = random(2, 4, SIZE // 8, SIZE // 8, dtype=torch.float64)
    reference.alphas = torch.cat([reference.alphas, torch.ones(1)])
    clean, after = sampler.reverse_step(noisy, 10, None)
    assert torch.equal(clean, after)
    assert torch.allclose(clean, reference.step(noisy, 10, -1), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "scale", "recurrences"), [("low-light", 8e4, 2), ("haze", 2.5e4, 0), ("noise", 4e4, 1)]
)
def test_the_paper_recipe_has_the_published_constants(kind, scale, recurrences):
    plan = paper_plan(kind)
    assert (plan.steps, plan.text_scale, plan.reverse_step.guidance.below) == (450, 8.0, 700)
    assert (plan.reverse_step.guidance.scale, plan.recurrences) == (scale, recurrences)
    assert plan.alignment.rate == 5e-4
    assert plan.reverse_step.threshold == Threshold(percentile=0.995, most=100.0)
    assert math.isinf(plan.start)


def sampled(prior, seed):
    plan = paper_plan("noise", steps=2, recurrences=1)
    sampler, _ = make_sampler(prior, plan)
    sampler._generator = torch.Generator().manual_seed(seed)
    first = torch.full((1, 3, SIZE, SIZE), 0.5)
    seen = []
    last = sampler.sample(first, lambda *each: seen.append(each))
    assert sampler.count == len(seen) == 3
    stages = [each[:3] for each in seen]
    assert stages == [("sample", 1, 3), ("sample", 2, 3), ("refine", 3, 3)]
    assert torch.equal(seen[-1][3](), last)
    return last


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(tiny):
    assert torch.equal(sampled(tiny, 1), sampled(tiny, 1))
    assert not torch.equal(sampled(tiny, 1), sampled(tiny, 2))


def test_a_photo_without_colours_gets_the_mean_of_several_samples():
    found = diagnose(np.full((16, 16, 3), 0.5, np.float32))
    plan = make_sampling_plan(Settings(recipe="colour"), found, 0.0, coloured=True)
    assert plan.ensemble.latents > 1
    assert plan.ensemble.combination is Combination.MEAN
    assert make_sampling_plan(Settings(), found, 0.0).ensemble.latents == 1


def test_only_a_prior_that_knows_scenes_is_guided_by_text_and_taught_from():
    found = diagnose(np.full((16, 16, 3), 0.1, np.float32))
    knows, not_yet = (
        make_sampling_plan(Settings(), found, 0.04, knows_scenes=it) for it in (True, False)
    )
    assert (knows.text_scale, knows.recurrences, knows.alignment.learns) == (2.0, 1, True)
    assert (not_yet.text_scale, not_yet.recurrences, not_yet.alignment.learns) == (1.0, 0, False)
    assert knows.reverse_step == not_yet.reverse_step == ProximalStep()
