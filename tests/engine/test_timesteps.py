"""Timesteps of each pass, and thresholds of an estimate."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from engine.test_sampling import paper_plan, random
from ldrps_engine.diffusion.ldrps import Threshold
from ldrps_engine.diffusion.sampling import Sampler
from ldrps_engine.diffusion.timesteps import Spacing


def ladders(alphas, plan):
    """The passes of a sampler of which nothing else is asked."""
    return Sampler(SimpleNamespace(alphas=alphas), None, None, plan, None).passes


@pytest.fixture(params=["zero signal", "stable diffusion"])
def alphas(request):
    """The bundled schedule, which ends in pure noise, and the published one, which does not."""
    if request.param == "zero signal":
        time = torch.arange(1, 1001) / 1000
        ratio = 4 * torch.tan(math.pi / 2 * time[:-1])
        return torch.cat([1 / (1 + ratio**2), torch.zeros(1)])
    return (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).cumprod(0)


def test_the_paper_recipe_takes_450_steps_and_half_as_many_from_the_middle(alphas):
    first, *again = ladders(alphas, paper_plan("low-light"))
    assert (first[0], len(first[1]), first[1][0]) == ("sample", 450, 999)
    assert [(stage, len(steps), steps[0]) for stage, steps in again] == [("refine", 225, 500)] * 2


@pytest.mark.parametrize("steps", [1, 2, 3, 12, 50, 450, 999, 1000])
@pytest.mark.parametrize("spacing", Spacing)
@pytest.mark.parametrize("start", [math.inf, 1.0, 0.05])
def test_every_ladder_descends(alphas, steps, spacing, start):
    plan = paper_plan("noise", steps=steps, spacing=spacing, start=start, end=0.02)
    for _, ladder in ladders(alphas, plan):
        assert 1 <= len(ladder) <= steps
        assert all(later < earlier for earlier, later in itertools.pairwise(ladder))
        assert 0 <= ladder[-1] <= ladder[0] <= 999


def test_steps_of_our_own_go_from_the_start_to_the_noise_of_the_photo(alphas):
    plan = paper_plan(
        "noise", steps=12, spacing=Spacing.LOG_NOISE, start=1.2, end=0.1, recurrences=1
    )
    ratios = ((1 - alphas) / alphas.clamp(min=1e-8)).sqrt()
    (_, first), (_, again) = ladders(alphas, plan)
    assert (len(first), len(again)) == (12, 6)
    for ladder in (first, again):
        assert float(ratios[ladder[0]]) == pytest.approx(1.2, rel=0.02)
        assert float(ratios[ladder[-1]]) == pytest.approx(0.1, rel=0.05)


def test_thresholding_clamps_to_the_percentile_and_does_not_rescale():
    clean = random(1, 4, 16, 16) * 3
    limit = torch.quantile(clean.abs(), 0.995)
    held = Threshold()(clean, torch.ones(1, 1, 1))
    inside = clean.abs() <= limit
    assert 0 < (~inside).sum() <= 6
    assert torch.equal(held[inside], clean[inside])
    assert torch.allclose(held[~inside].abs(), limit)


def test_thresholding_lets_one_through_and_stops_at_a_hundred():
    assert Threshold()(torch.full((1, 1, 8, 8), 0.01), torch.ones(1, 1, 1)).max() == 0.01
    spike = torch.zeros(1, 1, 10, 10)
    spike[..., 0, 0] = 0.9
    assert torch.equal(Threshold()(spike, torch.ones(1, 1, 1)), spike)
    assert Threshold()(torch.full((1, 1, 8, 8), 500.0), torch.ones(1, 1, 1)).max() == 100


def test_thresholding_counts_in_units_of_each_channels_spread():
    clean, spread = random(1, 2, 16, 16), torch.tensor([1.0, 50.0])[:, None, None]
    held, expected = Threshold()(clean * spread, spread), Threshold()(clean, torch.ones(2, 1, 1))
    assert torch.allclose(held, expected * spread)


def test_thresholding_treats_each_latent_of_a_batch_by_itself():
    quiet, loud = random(1, 4, 8, 8), 50 * random(1, 4, 8, 8, seed=1)
    ones = torch.ones(1, 1, 1)
    together = Threshold()(torch.cat([quiet, loud]), ones)
    assert torch.equal(together[:1], Threshold()(quiet, ones))
    assert torch.equal(together[1:], Threshold()(loud, ones))
