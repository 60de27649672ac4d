"""A photo that is only noisy is denoised as it is and mirrored, and the mean errs less."""

import dataclasses

import numpy as np
import pytest
import torch

from ldrps_engine.analysis.degradation import first_guess
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.diffusion.alignment import Aligner
from ldrps_engine.diffusion.ensemble import Combination, Ensemble
from ldrps_engine.diffusion.recipes import make_plan
from ldrps_engine.diffusion.reverse import Conditions, UnguidedStep
from ldrps_engine.diffusion.sampling import Sampler
from ldrps_engine.settings import Settings

SIGMA = 0.1
NOISY = Diagnosis(noise_sigma=SIGMA * 255, haze=0.0, darkness=0.0, cast=0.0, grey=False)
PLAN = make_plan(Settings(), NOISY, SIGMA, toned=False)


def channels_first(rgb):
    return torch.from_numpy(np.ascontiguousarray(rgb, np.float32)).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def clean(natural):
    return channels_first(natural[:64, :96])


@pytest.fixture(scope="module")
def noisy(clean):
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean + SIGMA * noise


def pilot(prior, image, plan=PLAN):
    guess = first_guess(image[0].permute(1, 2, 0).numpy(), NOISY, "auto")
    empty = prior.embed("")
    sampler = Sampler(
        prior,
        Aligner(image.contiguous(), guess, plan.alignment),
        Conditions(empty, empty, SIGMA),
        plan,
        torch.Generator().manual_seed(0),
    )
    return sampler.sample(image, lambda *_: None)


@pytest.mark.parametrize("way", [[3], [2], [2, 3]])
def test_the_mirrored_photo_has_the_mirrored_pilot(bundled, noisy, way):
    assert torch.allclose(
        pilot(bundled, noisy.flip(way)).flip(way), pilot(bundled, noisy), atol=2e-2
    )


def test_the_mean_errs_less_than_one_estimate(bundled, clean, noisy):
    alone = dataclasses.replace(PLAN, ensemble=Ensemble())
    errors = [
        float((found - clean).square().mean())
        for found in (pilot(bundled, noisy), pilot(bundled, noisy, alone), noisy)
    ]
    assert errors[0] < errors[1] < 0.5 * errors[2]


def test_only_what_is_not_guided_is_mirrored():
    guided = make_plan(Settings(), NOISY, SIGMA, toned=True)
    assert PLAN.ensemble.combination is Combination.MIRRORED_MEAN
    assert isinstance(PLAN.reverse_step, UnguidedStep)
    assert guided.ensemble == Ensemble()
    assert not isinstance(guided.reverse_step, UnguidedStep)
