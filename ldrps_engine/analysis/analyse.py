"""First stage of a restoration, second half: what is wrong with the photo. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.amounts import Amounts, proposed_amounts
from ldrps_engine.analysis.casts import Cast, find_cast
from ldrps_engine.analysis.degradation import Degradation, first_guess
from ldrps_engine.analysis.diagnosis import BLOCKS_FROM, Diagnosis, diagnose
from ldrps_engine.analysis.measuring import Measured
from ldrps_engine.analysis.merging import merge
from ldrps_engine.analysis.monochrome import grey_of, is_monochrome
from ldrps_engine.analysis.noise_level import Noise
from ldrps_engine.analysis.opinion import Opinion
from ldrps_engine.analysis.recognition import Recognition, recognise
from ldrps_engine.analysis.resampling import reduce
from ldrps_engine.analysis.tone_curve import ToneCurve, has_full_range, without_toning
from ldrps_engine.colour.srgb import SLOPE
from ldrps_engine.photo import Depth
from ldrps_engine.progress import Diagnosed, OnStep
from ldrps_engine.settings import STAGES, Settings

Array = NDArray[np.float32]

# Least noise of a file of 8 bits, in its steps.
_ROUNDED = 0.5
# Light below which eight bits hardly hold a colour: one and a half steps near black.
_UNSURE = 1.5 / 255 / SLOPE


@dataclass(frozen=True, kw_only=True)
class Request:
    """Input of the analysis: one photo, and everything given about it."""

    measured: Measured
    settings: Settings
    view: int
    """Long side of the prior's view, pixels."""
    prior_knows_scenes: bool
    """The prior gives colours itself; otherwise the scene expert does."""
    opinion: Opinion | None
    """The describer's; None if none was asked or none answered."""
    remarks: tuple[str, ...]
    """Sentences for the user, so far."""

    def no_larger_than_view(self, rgb: Array) -> Array:
        """Shrink (H, W, 3) to the view's size; a photo that the view enlarges stays as it is."""
        height, width = rgb.shape[:2]
        scale = min(1.0, self.view / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        return reduce(rgb, size) if size[1] < width else rgb


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Output of the analysis: what is wrong with one photo, and how much."""

    request: Request
    rgb: Array
    """(H, W, 3) without damage, hot pixels, and a toned paper's colour where that goes."""
    small: Array
    """The same, no larger than the view."""
    recognition: Recognition
    """Findings of the semantic encoder, and what they make likely."""
    diagnosis: Diagnosis
    degradation: Degradation
    """First guess of what light, haze and fading have done."""
    smooths_blocks: bool
    """JPEG's blocks are visible, or would be once the degradation is undone."""
    colours: bool
    """The photo is to get colours, of which it has none."""
    amounts: Amounts
    """Amounts of what is done about each finding."""
    remarks: tuple[str, ...]
    """Sentences for the user: disagreements, and requests that could not be honoured."""

    @property
    def measured(self) -> Measured:
        """The photo as it came, and its measurements."""
        return self.request.measured

    @property
    def measured_noise(self) -> Noise:
        """Noise at the photo's own size."""
        return self.measured.known.noise

    @property
    def noise_sigma(self) -> float:
        """Standard deviation of the noise to be filtered, in 8-bit steps.

        Rounding to 8 bits, and JPEG's, are noise as well once light is brought back.
        """
        sigma, guess = self.diagnosis.noise_sigma, self.degradation
        lit = guess.space == "light" and not guess.is_neutral
        if lit and self.settings.noise_sigma is None and self.measured.photo.depth is Depth.U8:
            sigma = max(sigma, _ROUNDED)
        return self.amounts.noise * sigma

    @property
    def is_faulty(self) -> bool:
        """Tell whether a model may be needed."""
        # Noise that the diagnosis would leave is filtered on request.
        asked = self.settings.amounts.get("noise", 0.0) > self.diagnosis.amounts["noise"]
        wanted = asked or self.colours or not self.settings.blind
        return wanted or self.diagnosis.needs_prior or not self.degradation.is_neutral

    @property
    def leaves_photo_alone(self) -> bool:
        """Tell whether the photo comes back as it is, so that no stage has anything to do."""
        wanted, *others = self.settings.layers
        mends = self.measured.is_repaired or self.smooths_blocks or self.colours or self.is_faulty
        plain = wanted == "restored" and set(others) <= set(STAGES)
        return self.settings.blind and plain and not mends

    @property
    def settings(self) -> Settings:
        """The caller's choices."""
        return self.request.settings

    @property
    def coloured_by_expert(self) -> bool:
        """Tell whether colours come from the scene expert, and not from the prior."""
        return self.colours and not self.request.prior_knows_scenes


def analyse(request: Request, on_step: OnStep) -> Analysis:
    """Find a photo's degradations and their amounts. Reports the diagnosis once it is made."""
    settings, rgb = request.settings, request.measured.mended
    small = request.no_larger_than_view(rgb)
    seen = recognise(small)
    cast = find_cast(small, seen, mounted=request.measured.mounted)
    diagnosis, remarks = _diagnosed(request, small, seen, cast)
    on_step(Diagnosed(diagnosis))
    amounts = Amounts.of(diagnosis, settings)
    colours, said = _wants_colours(settings, diagnosis, small)
    if colours and not diagnosis.grey:
        # A toned print gets the colours of its subject, not of its paper.
        rgb, small = grey_of(rgb), grey_of(small)
    curve = _curve(cast, small, settings, diagnosis)
    guess = first_guess(small, diagnosis, settings.recipe, seen, amounts, curve)
    if guess.least and request.measured.photo.depth is Depth.U8:
        guess = replace(guess, unsure=_UNSURE)
    if colours and request.prior_knows_scenes:
        guess = replace(guess, grey=True)
    return Analysis(
        request=request,
        rgb=rgb,
        small=small,
        recognition=seen,
        diagnosis=diagnosis,
        degradation=guess,
        smooths_blocks=amounts.noise > 0 and _smooths_blocks(request, diagnosis, guess, small),
        colours=colours,
        amounts=amounts,
        remarks=(*remarks, *said),
    )


def _diagnosed(
    request: Request, small: Array, seen: Recognition, cast: Cast
) -> tuple[Diagnosis, tuple[str, ...]]:
    """Measure the photo, weigh in the describer's opinion, and collect the remarks so far."""
    settings, measured = request.settings, request.measured
    found = diagnose(
        measured.mended,
        settings.recipe,
        settings.noise_sigma,
        measured.known,
        small=small,
        recognition=seen,
        cast=cast,
    )
    if measured.damage is not None:
        found = found.with_damage(measured.damage)
    said: tuple[str, ...] = ()
    if request.opinion:
        found, said = merge(found, request.opinion, settings.recipe)
    marked = settings.damage == "mask"
    amounts = proposed_amounts(found, settings, marked=marked)
    return replace(found, amounts=amounts), (*request.remarks, *said)


def _wants_colours(
    settings: Settings, diagnosis: Diagnosis, small: Array
) -> tuple[bool, tuple[str, ...]]:
    """Tell whether the photo is to get colours, and remarks for the user."""
    asked = settings.amounts.get("colour")
    if asked == 0:
        return False, ()
    if settings.recipe != "colour" and not asked:
        return settings.blind and settings.allow_colour and diagnosis.grey, ()
    if diagnosis.grey or is_monochrome(small):
        return settings.recipe != "paper", ()
    keeps = "the photo has colours of its own and keeps them"
    return False, (keeps,) if settings.recipe == "colour" else ()


def _curve(cast: Cast, small: Array, settings: Settings, diagnosis: Diagnosis) -> ToneCurve | None:
    """Return the curve of casts and fading; None if it is not to be undone.

    A print's toning goes if the user asks for more than the diagnosis proposes.
    """
    amount, proposed = Amounts.of(diagnosis, settings).cast, diagnosis.amounts["cast"]
    if not amount:
        return None
    if diagnosis.toned and amount > proposed:
        fading = cast.curve if proposed else None
        return without_toning(small, fading).raised(min(amount - proposed, 1.0))
    if cast.one_hue and has_full_range(small):
        return None
    return cast.curve.raised(amount)


def _smooths_blocks(
    request: Request, diagnosis: Diagnosis, guess: Degradation, small: Array
) -> bool:
    """Tell whether JPEG's blocks are to be smoothed, before added light makes them stronger.

    The published method does not smooth them.
    """
    if request.settings.recipe == "paper":
        return False
    if diagnosis.has_blocks:
        return True
    gain = guess.amplification(small, request.measured.known.noise.level.relative(small))
    return gain * diagnosis.blocks > BLOCKS_FROM and not guess.is_neutral
