"""The solvers against diffusers' own, on an ODE whose network is a formula."""

import itertools

import pytest
import torch

from ldrps_engine.diffusion.solver import Solver
from ldrps_engine.settings import SOLVERS
from support.lazy import diffusers

CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO = {"solver_order": 2, "final_sigmas_type": "zero", "timestep_spacing": "trailing"}
SCHEDULERS = {
    "ddim": lambda: diffusers.DDIMScheduler(
        **CONFIG, clip_sample=False, timestep_spacing="trailing"
    ),
    "dpm++": lambda: diffusers.DPMSolverMultistepScheduler(**CONFIG, **ZERO),
    "unipc": lambda: diffusers.UniPCMultistepScheduler(**CONFIG, **ZERO),
}
# diffusers 0.42 copies its tables in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def alphas():
    return SCHEDULERS["ddim"]().alphas_cumprod.double()


def clean_estimate(noisy, alpha):
    """The posterior mean of two clusters: smooth, but no line."""
    centre = torch.linspace(0.4, 2.0, noisy.numel(), dtype=torch.float64).view_as(noisy)
    spread = 0.2 * alpha + 1 - alpha
    pull = torch.tanh(alpha**0.5 * noisy * centre / spread) * centre
    return pull + 0.2 * alpha**0.5 / spread * (noisy - alpha**0.5 * pull)


def ours(kind, noisy, steps):
    solver = Solver(kind)
    for step, following in itertools.pairwise([*steps, None]):
        alpha = float(alphas()[step])
        after = 1.0 if following is None else float(alphas()[following])
        clean = clean_estimate(noisy, alpha)
        noise = (noisy - alpha**0.5 * clean) / (1 - alpha) ** 0.5
        noise = solver.corrected(clean, noise, alpha)
        noisy = solver.advance(clean, noise, alpha, after)
    return noisy


def theirs(scheduler, noisy, steps):
    for step in steps:
        alpha = float(alphas()[step])
        clean = clean_estimate(noisy, alpha)
        noise = (noisy - alpha**0.5 * clean) / (1 - alpha) ** 0.5
        noisy = scheduler.step(noise, step, noisy).prev_sample
    return noisy


def start():
    return torch.randn(2, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_solver_goes_where_diffusers_goes(kind):
    scheduler = SCHEDULERS[kind]()
    scheduler.set_timesteps(10)
    steps = [int(t) for t in scheduler.timesteps]
    # Theirs counts in single precision.
    assert torch.allclose(ours(kind, start(), steps), theirs(scheduler, start(), steps), atol=1e-4)


def test_with_few_steps_the_better_solvers_are_nearer_to_the_end_of_many():
    exact = ours("ddim", start(), list(range(999, -1, -1)))
    few = [999, 874, 749, 624, 499, 374, 249, 124, 60, 20]
    errors = {kind: float((ours(kind, start(), few) - exact).abs().mean()) for kind in SOLVERS}
    assert errors["dpm++"] < 0.7 * errors["ddim"]
    assert errors["unipc"] < 0.7 * errors["ddim"]


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_solver_goes_on_from_its_state(kind):
    first, second = Solver(kind), Solver(kind)
    noisy = start()
    for alpha, after in ((0.1, 0.2), (0.2, 0.4)):
        noisy = first.advance(clean_estimate(noisy, alpha), noisy, alpha, after)
    second.resume(first.state())
    for solver in (first, second):
        clean = clean_estimate(noisy, 0.4)
        solver.moved = solver.advance(clean, solver.corrected(clean, noisy, 0.4), 0.4, 0.8)
    assert torch.equal(first.moved, second.moved)


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_schedule_that_begins_in_pure_noise_is_no_obstacle(kind):
    solver, noisy = Solver(kind), start()
    for alpha, after in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0)):
        clean = clean_estimate(noisy, alpha)
        noise = solver.corrected(clean, (noisy - alpha**0.5 * clean) / (1 - alpha) ** 0.5, alpha)
        noisy = solver.advance(clean, noise, alpha, after)
    assert torch.isfinite(noisy).all()
