"""Fourth stage of a restoration: the photo's own pixels, brought to the look of the pilot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.degradation import Degradation
from ldrps_engine.analysis.maps import finding_maps
from ldrps_engine.diffusion.pilot import Sample
from ldrps_engine.diffusion.planning import RestorationPlan
from ldrps_engine.diffusion.preview import Mosaic
from ldrps_engine.photo import Photo
from ldrps_engine.progress import OnStep, Step
from ldrps_engine.result import Layer, Restoration
from ldrps_engine.settings import STAGES
from ldrps_engine.transfer.compositing import (
    Composite,
    Compositor,
    LayerWriter,
    ToneMapping,
    compose,
)

Array = NDArray[np.float32]


def transfer(sample: Sample, on_step: OnStep) -> Restoration:
    """Compose the photo, freed from noise, with the pilot's tones, part by part."""
    plan, analysis = sample.plan, sample.plan.analysis
    *before, last = plan.work_units
    first = sum(before)
    writer = LayerWriter(
        analysis.measured.photo,
        plan.layers,
        coloured=analysis.colours,
        findings=finding_maps(
            analysis.recognition,
            analysis.measured_noise,
            analysis.small,
            # As large as the photo, unlike the others: only on request.
            analysis.measured.damage_seen if "damage" in plan.layers else None,
        ),
        crop=plan.crop,
    )
    shown = Mosaic(plan.size, sample.pilot) if plan.crop is None else None

    def put(part: Composite) -> None:
        writer.put(part)
        if shown:
            shown.put(part.where, part.restored)

    def on_part(done: int) -> None:
        picture = shown.picture if shown else None
        on_step(Step("transfer", first + done, first + last, picture))

    compose(_compositor(sample), put, on_part, plan.crop)
    layers = tuple(Layer(name, writer.photo(name)) for name in plan.layers)
    return _restoration(plan, layers, writer.generated)


def unchanged(picture: Photo, plan: RestorationPlan, on_step: OnStep) -> Restoration:
    """Return the picture as it is where a plan changes nothing."""
    on_step(Step("transfer", 1, 1))
    return _restoration(plan, (Layer(plan.layers[0], picture),), (0.0, 0.0))


def _restoration(
    plan: RestorationPlan, layers: tuple[Layer, ...], generated: tuple[float, float]
) -> Restoration:
    return Restoration(
        layers=layers,
        diagnosis=plan.analysis.diagnosis,
        description=plan.description.text,
        generated=generated,
        remarks=plan.description.remarks,
        seconds=0.0,
    )


def _compositor(sample: Sample) -> Compositor:
    plan, denoised = sample.plan, sample.denoised
    analysis, pilot_only = plan.analysis, plan.pilot_only
    tone_mapping = (
        ToneMapping.fit(denoised.scaled, _with_colours(plan), sample.pilot, plan.size, plan.faces)
        if plan.restores
        else ToneMapping(plan.size)
    )
    return Compositor(
        rgb=analysis.measured.original,
        filtered=denoised.rgb,
        pilot=sample.pilot,
        tone_mapping=tone_mapping,
        strength=plan.settings.strength,
        keeps_chroma=analysis.diagnosis.grey and not (analysis.colours or pilot_only),
        pilot_only=pilot_only and plan.samples_pilot,
        damage=analysis.measured.photo.damage if analysis.amounts.damage else None,
        filling=min(analysis.amounts.damage, 1.0),
        repaired=analysis.measured.mended,
        stages=tuple(name for name in plan.layers if name in STAGES),
        gives_colours="coloured" in plan.stages,
    )


def _with_colours(plan: RestorationPlan) -> Degradation:
    """Return what the pilot undoes; the guess does not hold colours that the expert gave."""
    guess = plan.degradation
    return replace(guess, grey=True) if plan.analysis.coloured_by_expert else guess
