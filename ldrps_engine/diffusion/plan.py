"""How one photo will be worked on: the numbers behind a recipe, resolved once. No torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Weights of the guidance loss on the clean latent. Neutral: all 0."""

    data: float = 0.0
    """Share of the image error that one step removes where the photo is certain, 0 to 1."""
    paper_scale: float = 0.0
    """LD-RPS's s: step along the gradient of the mean squared error at 512x512."""
    perceptual: float = 0.0
    """a: VGG distance between F-PAM's image and the photo."""
    adversarial: float = 0.0
    """b: how little F-PAM's image looks like the photo to the discriminator."""
    exposure: float = 0.0
    """e: distance of local luminance from 0.5."""
    grey_world: float = 0.0
    """c: difference of the channel means."""
    tone_below: int = 0
    """Exposure and grey world act at timesteps below this one."""
    below: int = 1000
    """No guidance at or above this timestep: the prior lays out the scene alone."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How F-PAM and its discriminator are trained online."""

    physical: bool
    """Behind the physical field (True) or the paper's convolutions alone."""
    content: float
    """w_mse: F-PAM's image stays near what it was given."""
    perceptual: float
    """w_per: the same in VGG features."""
    adversarial: float
    """w_adv: F-PAM's image looks like the photo to the discriminator."""
    fit: float = 0.0
    """F-PAM's image is near the photo (only safe for the physical field)."""
    rate: float = 5e-4
    """Adam's rate for F-PAM."""
    field_rate: float = 0.0
    """Adam's rate for the physical field."""
    discriminator_rate: float = 4e-5
    """Adam's rate for the discriminator."""
    side: int = 128
    """Long side of the images F-PAM is trained on, pixels; 0: the whole view."""

    @property
    def learns(self) -> bool:
        """Whether there is anything to train."""
        return bool(self.rate or self.field_rate)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything the sampler needs besides the photo and the prior."""

    steps: int
    recurrences: int
    text_scale: float
    """Classifier-free guidance; 1 is the conditional model alone."""
    start: float
    """Noise over signal at the first step; infinity starts from pure noise."""
    end: float
    """Noise over signal after the last step."""
    guidance: Guidance
    alignment: Alignment
    linear_steps: bool = False
    """Steps evenly spread over timesteps (as published) instead of over log noise."""
    published_estimate: bool = False
    """Guide a clean estimate that is off by a step: the next latent's with this step's noise."""
    threshold: bool = False
    """Clamp the clean latent to its percentile 0.995, as published."""
    pilot_only: bool = False
    """Give the pilot out as the result."""
    latents: int = 1
    """Independent latents carried side by side, aligned and guided by the mean of their losses."""
    averaged: bool = False
    """The pilot is the mean of what the latents show (True) or what the first one shows."""
    mirrored: bool = False
    """Of four latents, one is of the photo and three of its mirror images."""
    text_interval: tuple[float, float] = (0.0, float("inf"))
    """Noise over signal between which `text_scale` holds; outside it is 1, at half the cost."""
    solver: str = "ddim"
    """How a step is taken, see `ldrps_engine.diffusion.solver`."""
    quick: bool = False
    """Filter noise several times as fast for a little less quality."""
    tuning: int = 0
    """Steps in which the prior gets to know the photo's noise, where it can; 0: none."""
    full_decode: bool = False
    """Never guide through a tiny autoencoder, not even far from the end."""


_PAPER = {
    "low-light": (80000.0, (0.02, 0.3, 0.8), 2e-3, 5e-5, 1e-2, 1e-2, 100, 4e-5, 2),
    "haze": (25000.0, (0.2, 0.5, 0.2), 5e-3, 0.0, 1e-2, 1e-3, 150, 2e-5, 0),
    "noise": (40000.0, (3.0, 0.002, 0.001), 0.0, 0.0, 0.0, 0.0, 0, 1e-3, 1),
}
"""LD-RPS's three scripts: s, F-PAM's weights, a, b, e, c, from t<, rate of d, recurrences."""


_TUNING = 100
_FAST_STEPS = 4
_FEWEST_STEPS = 2
"""Of a prior that does not know scenes: one more brings nothing."""
_COLOURINGS = 4
_COLOURING_STEPS = 5


def make_plan(
    settings: Settings,
    diagnosis: Diagnosis,
    amplified: float,
    *,
    toned: bool,
    coloured: bool = False,
    knows_scenes: bool = True,
) -> Plan:
    """The plan for a photo. `amplified` is its noise in the clean domain, 0 to 1 per
    sample; `toned` whether light or colour has to be brought back, `coloured` whether the
    photo has none and is to get some. `knows_scenes` is the prior's.
    """
    if settings.recipe == "paper":
        plan = _paper(diagnosis)
    else:
        plan = _ours(amplified, knows_scenes) if toned else noise_plan(amplified)
        plan = dataclasses.replace(plan, tuning=_tuning(settings.steps))
    if settings.recipe == "fast":
        steps = min(plan.steps, _FAST_STEPS if knows_scenes else _FEWEST_STEPS)
        plan = dataclasses.replace(plan, steps=steps, recurrences=0, quick=True, tuning=0)
    if coloured:
        # Where samples disagree about a colour nobody knows it: their mean has less of it. In many
        # steps a sample makes up its mind, and leaves stains.
        steps = min(plan.steps, _COLOURING_STEPS)
        plan = dataclasses.replace(
            plan, latents=_COLOURINGS, averaged=True, steps=steps, recurrences=0, text_scale=1.0
        )
    changes: dict[str, int | str] = {}
    if settings.steps is not None:
        changes["steps"] = settings.steps
    if settings.recurrences is not None:
        changes["recurrences"] = settings.recurrences
    if settings.solver is not None:
        changes["solver"] = settings.solver
    return dataclasses.replace(plan, **changes)  # type: ignore[arg-type]


def _tuning(steps: int | None) -> int:
    """Whoever asks for few steps of sampling wants few of these, too."""
    return _TUNING if steps is None else min(_TUNING, 4 * steps)


def _paper(diagnosis: Diagnosis) -> Plan:
    kind = "low-light" if diagnosis.is_dark else "haze" if diagnosis.is_hazy else "noise"
    s, (mse, per, adv), a, b, e, c, tone, d_rate, recurrences = _PAPER[kind]
    return Plan(
        steps=450,
        recurrences=recurrences,
        text_scale=8.0,
        start=float("inf"),
        end=0.0,
        linear_steps=True,
        threshold=True,
        pilot_only=True,
        latents=2,
        full_decode=True,
        guidance=Guidance(
            paper_scale=s,
            perceptual=a,
            adversarial=b,
            exposure=e,
            grey_world=c,
            tone_below=tone,
            below=700,
        ),
        alignment=Alignment(
            physical=False,
            content=mse,
            perceptual=per,
            adversarial=adv,
            discriminator_rate=d_rate,
            side=0,
        ),
    )


def noise_plan(amplified: float) -> Plan:
    """One exact estimate for a photo that is only noisy, by so much (0 to 1 per sample).

    A latent noised by the photo's own noise alone is denoised best by a single evaluation at
    that noise level: the posterior mean. A network errs differently on mirror images of a photo,
    and their mean errs less.
    """
    noise = _in_latents(amplified)
    return Plan(
        steps=1,
        recurrences=0,
        text_scale=1.0,
        start=noise,
        end=noise,
        guidance=Guidance(),
        alignment=_STILL,
        latents=4,
        averaged=True,
        mirrored=True,
    )


def _ours(amplified: float, knows_scenes: bool) -> Plan:
    """Light, veil and colour are sampled from above the noise.

    With a prior that does not know scenes, text, recurrence and what F-PAM learns bring nothing
    (docs/research/ablations.md).
    """
    noise = _in_latents(amplified)
    return Plan(
        steps=12,
        recurrences=1 if knows_scenes else 0,
        text_scale=2.0 if knows_scenes else 1.0,
        start=max(1.0, 1.2 * noise),
        end=noise,
        guidance=Guidance(data=1.0),
        alignment=LEARNING if knows_scenes else _STILL,
    )


def _in_latents(noise: float) -> float:
    """Latents span [-1, 1], display values [0, 1]."""
    return max(2.0 * noise, 0.02)


LEARNING = Alignment(
    physical=True, content=0.0, perceptual=0.0, adversarial=0.02, fit=1.0, field_rate=0.01
)
"""F-PAM starts at what was measured of the photo, and goes where the sample's estimates lead."""
_STILL = Alignment(physical=True, content=0.0, perceptual=0.0, adversarial=0.0, rate=0.0)
"""F-PAM is what was measured of the photo, and stays so."""
