"""Last stage of a restoration: the photo's own pixels, all of them, brought to the pilot's look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.maps import finding_maps
from ldrps_engine.analysis.noise_spectrum import (
    noise_sigma,
    noise_spectrum,
    sigma_before_clipping,
)
from ldrps_engine.diffusion.pilot import Sample
from ldrps_engine.diffusion.planning import RestorationPlan
from ldrps_engine.progress import OnStep, Step
from ldrps_engine.transfer.compositing import Compositor, LayerWriter, ToneMapping, compose
from ldrps_engine.transfer.noise_filter import NoiseFilter, filter_noise
from ldrps_engine.transfer.tuning import Noise

Array = NDArray[np.float32]
OnPart = Callable[[int], None]

_TRUST = 0.4
_WITHOUT_CHROMA = 0.95
"""Share of the noise measured in a grey photo: with no chroma to hold it to, texture has a part."""


def ready_for_crops(sample: Sample) -> Sample:
    """Free the view from noise, once for all crops: tones are fitted to what has none."""
    plan = sample.plan
    if not sample.steps or not plan.filters or plan.degradation.is_neutral:
        return sample
    rgb = plan.level.stabilise(plan.scaled)
    spectrum = np.asarray(noise_spectrum(rgb), dtype=np.float32)
    noise = NoiseFilter(
        size=rgb.shape[:2],
        spectrum=spectrum,
        before_clipping=sigma_before_clipping(rgb, spectrum),
        oracle=sample.oracle,
        quick=True,
    )
    filtered = filter_noise(rgb, noise, lambda _: None)
    return replace(sample, quiet=plan.level.invert(filtered, noise_sigma(spectrum)))


def transfer(sample: Sample, on_step: OnStep) -> LayerWriter:
    """Free the photo from noise and compose it with the pilot's tones, part by part."""
    plan, sampled = sample.plan, sample.steps > 0
    first, tuned, rest = plan.parts if sampled else (0, 0, plan.parts[2])
    count = sample.steps + first + tuned + rest

    def on_part(done: int) -> None:
        on_step(Step("transfer", sample.steps + done, count))

    filtered = _filtered(sample, on_part) if first else plan.rgb
    analysis = plan.analysis
    writer = LayerWriter(
        analysis.measured.photo,
        plan.settings.layers,
        coloured=analysis.colours,
        findings=finding_maps(analysis.recognition, analysis.measured_noise, analysis.small),
        crop=plan.crop,
    )
    done_before = first + tuned
    compose(
        _compositor(sample, filtered),
        writer,
        lambda done: on_part(done_before + done),
        plan.crop,
    )
    return writer


def _compositor(sample: Sample, filtered: Array) -> Compositor:
    plan, sampled = sample.plan, sample.steps > 0
    analysis, pilot_only = plan.analysis, plan.pilot_only
    return Compositor(
        rgb=analysis.measured.original,
        filtered=filtered,
        pilot=sample.pilot,
        tone_mapping=_tone_mapping(sample, filtered) if sampled else ToneMapping(plan.size),
        strength=plan.settings.strength,
        keeps_chroma=analysis.diagnosis.grey and not (analysis.colours or pilot_only),
        pilot_only=pilot_only and sampled,
        damage=analysis.measured.photo.damage if analysis.amounts.damage else None,
        filling=min(analysis.amounts.damage, 1.0),
    )


def _tone_mapping(sample: Sample, filtered: Array) -> ToneMapping:
    """Fit the photo's tones to the pilot's. Of a crop alone too little is filtered for that."""
    plan = sample.plan
    if plan.crop is not None:
        filtered = plan.scaled if sample.quiet is None else sample.quiet
    return ToneMapping.fit(filtered, _with_colours(plan), sample.pilot, plan.size)


def _with_colours(plan: RestorationPlan) -> Degradation:
    """Return what the pilot undoes; the guess does not hold colours that the expert gave."""
    guess = plan.degradation
    return replace(guess, grey=True) if plan.analysis.coloured_by_expert else guess


def _filtered(sample: Sample, on_part: OnPart) -> Array:
    """Free the photo from noise, scaled to the diagnosed sigma if a person gave that."""
    plan = sample.plan
    measured, wanted = plan.analysis.measured_noise, _sigma_to_filter(plan)
    found = max(measured.sigma * 255, 1e-3)
    spectrum = np.asarray(measured.spectrum * (wanted / found), dtype=np.float32)
    rgb = plan.level.stabilise(plan.rgb)
    before_clipping = sigma_before_clipping(rgb, spectrum)
    noise = NoiseFilter(
        size=plan.size,
        spectrum=spectrum,
        before_clipping=before_clipping,
        oracle=sample.oracle,
        seen=plan.noise.in_view / max(plan.noise.stabilised, 1e-6),
        trust=_TRUST if plan.prior.lossless else 0.0,
        quick=plan.quick,
    )
    filtered = filter_noise(rgb, noise, on_part, plan.crop)
    sigma = wanted / 255 / measured.spread
    if plan.tuning:
        known = Noise(spectrum, before_clipping, plan.as_seen(sigma))
        first = plan.parts[0]
        plan.tuning.improve(rgb, filtered, known, lambda done: on_part(first + done))
    if plan.crop is None:
        return plan.level.invert(filtered, sigma)
    filtered[plan.crop] = plan.level.invert(filtered[plan.crop], sigma)
    return filtered


def _sigma_to_filter(plan: RestorationPlan) -> float:
    """Standard deviation of the noise that is taken out, in 8-bit steps."""
    sigma = plan.analysis.noise_sigma
    if plan.analysis.diagnosis.grey and plan.settings.noise_sigma is None:
        return sigma * _WITHOUT_CHROMA
    return sigma
