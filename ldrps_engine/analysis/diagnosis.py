"""Diagnosis of a photo: every degradation and its amount, from the pixels alone. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ldrps_engine.analysis.casts import FOUND_FROM as CAST_FOUND_FROM
from ldrps_engine.analysis.casts import Cast, find_cast
from ldrps_engine.analysis.correlated_noise import all_is_noise
from ldrps_engine.analysis.damage import Damage
from ldrps_engine.analysis.damage_pieces import FILLED_FROM, MENDED_FROM
from ldrps_engine.analysis.halftone import FOUND_FROM as PRINTED_FROM
from ldrps_engine.analysis.intended import is_fog, is_low_key, is_starry
from ldrps_engine.analysis.known import Known
from ldrps_engine.analysis.monochrome import is_grey
from ldrps_engine.analysis.noise_detection import shows_noise
from ldrps_engine.analysis.noise_level import Noise, growth
from ldrps_engine.analysis.noise_spectrum import is_white, noise_sigma
from ldrps_engine.analysis.recognition import TONED_FROM, Recognition, recognise
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.analysis.resampling import reduce, squares
from ldrps_engine.analysis.samples import Values, display, highest, lowest
from ldrps_engine.analysis.tone import judge_tone
from ldrps_engine.analysis.verdicts import is_hazy_or_faded, is_high_key, lacks_light, log_odds
from ldrps_engine.colour.srgb import to_linear

Array = NDArray[np.float32]

_SIDE = 512
_DARK_FROM = 0.5
_LEAST = 0.1
_DARK_BELOW = 0.30
_NOISE_FROM = 4.5
# Least sum of both judges' log-odds. Of 31 noisy photos one has less: a wall whose texture counts
# double.
_NOISE_BELIEVED = 0.5
# Of 150 photos with drawn noise, one that is found grows by more than 0.24: by 0.32, at 12.4. Nine
# lawns, reeds and cloths that were called noisy do too. A real one with clipped blacks has chroma.
_GROWS, _GROWS_MUCH = 0.25, 0.4
_BELIEVED_GROWING, _COLOURED_GROWING = 4.0, 0.5
BLOCKS_FROM = 1.8
"""Height of steps between blocks, in 8-bit steps, from which they are visible."""
_SURE = 0.6
_BACKLIT_SURELY = 0.8
_TINTED_FROM = 0.95
_LIKELY = 0.5
# Sunsets and sandstone are as far from neutral as a mild cast; only a strong one is named.
_CAST_FROM = 0.65
_AGED = 0.7
_BORDER = "border left as it is"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Measured degradations. Neutral: every figure 0, `grey` False, no `inner`."""

    noise_sigma: float
    """Standard deviation of noise in the unchanged photo, in 8-bit steps."""
    haze: float
    """Share of the light that is haze, 0 to 1; 0 where the photo looks neither hazy nor faded."""
    darkness: float
    """Lack of light, above 0 to 1 (nearly black); 0 where the photo does not look too dark."""
    cast: float
    """Strength of a colour cast, 0 to 1."""
    grey: bool
    """True for a photo that carries no colour at all."""
    graphic: bool = False
    """True for a page, a screenshot or a drawing, which are left alone."""
    toned: bool = False
    """True for a print of one hue, sepia or another, which is kept."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Probability of each finding by its name; empty if there was no search for findings."""
    hot_pixels: int = 0
    """Defects of the sensor, of one or of two by two pixels."""
    blocks: float = 0.0
    """Steps between JPEG's blocks, root mean square in 8-bit steps; 0 without a grid of them."""
    damage: float = 0.0
    """Share of the pixels that look damaged; 0 if there was no search for damage."""
    damage_kinds: tuple[str, ...] = ()
    """Kinds of damage, the largest first: see `damage_pieces.KINDS`."""
    amounts: Mapping[str, float] = field(default_factory=dict)
    """Amounts applied to the findings unless the user says otherwise, see
    `amounts.proposed_amounts`; empty if none are proposed."""
    inner: Rectangle | None = None
    """The picture inside its border, the only part measured; None if there is no border."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Diagnosis from its JSON or `dataclasses.asdict` form; TypeError if it is not one."""
        inner = values.get("inner")
        kinds = tuple(values.get("damage_kinds", ()))
        changed = {"inner": Rectangle(**inner) if inner else None, "damage_kinds": kinds}
        return cls(**{**values, **changed})

    def with_damage(self, found: Damage) -> Self:
        """Return the diagnosis with the damage found added; pages and drawings have none."""
        if self.graphic:
            found = found.without_any
        odds = {**self.probabilities, "damaged": found.probability}
        return replace(self, damage=found.share, damage_kinds=found.kinds, probabilities=odds)

    @property
    def is_damaged(self) -> bool:
        """Tell whether damage is certain enough to be named."""
        return self.probabilities.get("damaged", 0.0) >= MENDED_FROM and not self.graphic

    @property
    def is_damaged_beyond_doubt(self) -> bool:
        """Tell whether there is damage all over the photo, which is filled unasked."""
        return self.probabilities.get("damaged", 0.0) >= FILLED_FROM and not self.graphic

    @property
    def is_dark(self) -> bool:
        """Tell whether light has to be brought back."""
        return self.darkness > 0

    @property
    def is_backlit(self) -> bool:
        """Tell whether the part in front of the light is too dark."""
        return self.is_dark and self.probabilities.get("backlit", 0.0) > _BACKLIT_SURELY

    @property
    def is_tinted(self) -> bool:
        """Tell whether there is a cast strong enough to be named."""
        return self.cast > _CAST_FROM or (self.is_cast and not self._fades)

    @property
    def is_cast(self) -> bool:
        """Tell whether a cast or fading is certain enough to be corrected."""
        return self.probabilities.get("cast", 0.0) >= CAST_FOUND_FROM and not self.graphic

    @property
    def _fades(self) -> bool:
        odds = self.probabilities
        return odds.get("faded", 0.0) > odds.get("tinted", 0.0)

    @property
    def is_hazy(self) -> bool:
        """Tell whether haze is to be removed."""
        return self.haze > 0 and not (self.grey or self.toned)

    @property
    def is_faded(self) -> bool:
        """Tell whether black and white have moved together; a print's lost black is no haze."""
        return self.haze > 0 and (self.grey or self.toned)

    @property
    def is_noisy(self) -> bool:
        """Tell whether there is visible noise."""
        return self.noise_sigma > _NOISE_FROM

    @property
    def is_printed(self) -> bool:
        """Tell whether it is a halftone print; its dots are no noise."""
        return self.probabilities.get("halftone", 0.0) >= PRINTED_FROM

    def near_misses(self) -> list[str]:
        """Return findings that are likely, but not enough to be corrected: 'perhaps dark'.

        Visible noise hides the evidence on which likelihoods are based.
        """
        odds = self.probabilities
        light = odds.get("dark", 0.0) + odds.get("backlit", 0.0)
        pale = odds.get("hazy", 0.0) + odds.get("faded", 0.0)
        if self.graphic or self.is_dark or self.is_hazy or self.is_faded or self.is_noisy:
            return []
        likely = (("perhaps dark", light), ("perhaps hazy", pale))
        return [words for words, share in likely if share > _LIKELY]

    @property
    def has_blocks(self) -> bool:
        """Tell whether there are visible JPEG blocks."""
        return self.blocks > BLOCKS_FROM

    @property
    def needs_prior(self) -> bool:
        """Tell whether there is a fault that only the model can correct."""
        wrong = self.is_dark or self.is_hazy or self.is_faded or self.is_noisy or self.is_cast
        return wrong and not self.graphic

    @property
    def needs_work(self) -> bool:
        """Tell whether there is a fault that `auto` corrects."""
        defects = self.has_blocks or self.hot_pixels > 0 or self.is_damaged_beyond_doubt
        return self.needs_prior or (defects and not self.graphic)

    def words(self) -> str:
        """Summary: 'hazy, slightly dark; noise about 8', or 'nothing found; perhaps hazy'."""
        found = [
            _grade(self.darkness, "backlit" if self.is_backlit else "dark"),
            _grade(self.haze if self.is_hazy else 0.0, "hazy"),
            _grade(self.haze if self.is_faded else 0.0, "faded"),
            _grade(self.cast if self.is_tinted else 0.0, "tinted"),
            _grade(float(self.is_cast and self._fades), "faded"),
            "without colour" if self.grey else "toned" if self.toned else "",
            "no photo" if self.graphic else "",
            "halftone print" if self.is_printed and not self.graphic else "",
        ]
        text = ", ".join(filter(None, found))
        noisy = self.is_noisy and not self.graphic
        noise = f"noise about {self.noise_sigma:.0f}" if noisy else ""
        blocks = "JPEG blocks" if self.has_blocks and not self.graphic else ""
        damage = f"damaged: {' and '.join(self.damage_kinds[:2])}" if self.is_damaged else ""
        hot = f"hot pixels ({self.hot_pixels})" if self.hot_pixels and not self.graphic else ""
        said = "; ".join(filter(None, (text, damage, noise, blocks, hot))) or "nothing found"
        said = "; ".join([said, *self.near_misses()])
        return f"{said}; {_BORDER}" if self.inner else said


def diagnose(
    rgb: Values,
    recipe: str = "auto",
    noise: float | None = None,
    known: Known | None = None,
    *,
    small: Array | None = None,
    recognition: Recognition | None = None,
    cast: Cast | None = None,
    mounted: bool = False,
) -> Diagnosis:
    """Measure an (H, W, 3) or (H, W, 1) image of display values in [0, 1], or of 8-bit samples.

    A `recipe` that names a degradation is believed; `noise` (8-bit steps) replaces the measured
    sigma, which is limited to an invisible level if the photo shows texture and no noise. `known`
    holds measurements that need not be repeated, and `small` the image at any smaller size, so that
    it need not be reduced. `mounted`: see `find_cast`. Source of the haze: the dark channel of He,
    Sun and Tang, "Single image haze removal using dark channel prior" (CVPR 2009).
    """
    if known is None:
        known, rgb = Known.of(rgb)
    believed = recipe == "noise"
    if noise is not None:
        sigma = noise
    elif known.halftone.is_found and not believed:
        # Dots must not be smeared, and noise between them cannot be measured.
        sigma = 0.0
    else:
        sigma = _noise(rgb, known.noise, believed=believed)
    enough = small is not None and max(small.shape) >= min(max(rgb.shape), _SIDE)
    small = _reduced(small if small is not None and enough else rgb)
    colour = small if small.shape[2] == 3 else np.repeat(small, 3, axis=2)
    tone = judge_tone(colour)
    seen = recognition or recognise(colour)
    curved = cast or find_cast(colour, seen, mounted=mounted)
    dark = (tone.dark > _DARK_FROM or lacks_light(colour, seen)) and not is_low_key(colour)
    dark = dark and not is_starry(rgb)
    meant = is_high_key(colour) or is_fog(colour, seen.depth)
    odds = {**seen.probabilities, "cast": curved.probability}
    odds["halftone"] = known.halftone.probability
    one_hue, grey = curved.one_hue, is_grey(colour)
    toned = one_hue and not grey and odds.get("toned", 0.0) > TONED_FROM
    pale = is_hazy_or_faded(colour, tone.hazy, seen, one_hue=one_hue, is_print=grey or toned)
    photo, hazy = not seen.is_graphic, pale and not meant and not dark
    measured = Diagnosis(
        noise_sigma=sigma,
        haze=max(1 - float(np.exp(-np.median(seen.depth))), _LEAST) if hazy and photo else 0.0,
        darkness=max(_darkness(colour), seen.darkness, _LEAST) if dark and photo else 0.0,
        cast=_cast_of(colour, odds, one_hue=one_hue),
        grey=grey,
        graphic=not photo,
        toned=photo and toned,
        probabilities=odds,
        hot_pixels=known.hot_pixels,
        blocks=known.blocks.strength,
    )
    is_print = measured.grey or measured.toned
    if (measured.is_cast or (one_hue and not is_print)) and odds["faded"] > odds["hazy"]:
        # Pale tones of an old print, or of a photo with few colours, are not haze.
        measured = replace(measured, haze=0.0)
    return _believing(measured, recipe)


def _noise(rgb: Values, noise: Noise, *, believed: bool) -> float:
    """Sigma of the noise in 8-bit steps, limited to an invisible level if it is texture.

    Only noise that would be called noisy is judged: invisible noise still matters in a photo to
    which light is brought back, and the judges have not learnt from noise so weak. Noise in chroma
    is not doubted either, since texture is in luminance. There are two judges, one for white noise
    and one for noise as cameras leave it, because heath and gravel deceive either of them alone.
    The latter is not asked about white noise. Noise that grows with light as texture does has to
    convince both, and much of it has to be in chroma.
    """
    sigma = noise.sigma * 255
    chroma = (
        noise.relative_rms * noise_sigma(noise.spectrum[1:]) if len(noise.spectrum) == 3 else 0.0
    )
    if sigma <= _NOISE_FROM or believed:
        return sigma
    grows = growth(rgb, noise.level)
    if grows <= _GROWS and (chroma * 255 > _NOISE_FROM or noise.is_sure):
        return sigma
    odds = log_odds(shows_noise(rgb, noise.spectrum, noise.level.stabilise))
    if grows > _GROWS or not is_white(noise.raw):
        odds += log_odds(all_is_noise(rgb, noise))
    convinced = odds > (_NOISE_BELIEVED if grows <= _GROWS else _BELIEVED_GROWING)
    coloured = grows <= _GROWS_MUCH or chroma * 255 > _COLOURED_GROWING * sigma
    return sigma if convinced and coloured else _NOISE_FROM


def _reduced(rgb: Values) -> Array:
    """Small copy, on which tones are judged as a person sees the whole photo at once."""
    scale = _SIDE / max(rgb.shape[:2])
    if scale >= 1:
        return display(rgb)
    return reduce(rgb, (max(1, round(rgb.shape[0] * scale)), max(1, round(rgb.shape[1] * scale))))


def _believing(found: Diagnosis, recipe: str) -> Diagnosis:
    if recipe == "low-light":
        return replace(found, darkness=max(found.darkness, _SURE), haze=0.0)
    if recipe == "haze":
        return replace(found, haze=max(found.haze, _SURE), darkness=0.0)
    if recipe in ("noise", "colour", "old-photo"):
        return replace(found, haze=0.0, darkness=0.0)
    return found


def _grade(amount: float, word: str) -> str:
    return "" if amount <= 0 else f"slightly {word}" if amount < 0.5 else word


def _darkness(rgb: Array) -> float:
    """Lack of light. By the 90th percentile, a night scene with lights is dark too."""
    bright = float(np.percentile(highest(rgb), 90))
    return float(np.clip(1 - bright / (2 * _DARK_BELOW), 0, 1))


def dark_channel(rgb: Array, patches: int = 40) -> Array:
    """Smallest value of any channel in blocks of about 1/40 of the long side, (h, w)."""
    size = max(1, max(rgb.shape[:2]) // patches)
    blocks = squares(lowest(rgb), size)
    return np.asarray(np.percentile(blocks, 5, axis=(1, 3)), dtype=np.float32)


def _cast_of(colour: Array, odds: Mapping[str, float], *, one_hue: bool) -> float:
    """Strength of a cast, 0 to 1; certain if the print has aged to nearly one hue."""
    cast = _cast(to_linear(np.clip(colour, 0, 1)))
    aged = not one_hue and odds.get("toned", 0.0) > TONED_FROM
    return max(cast, _AGED) if aged or odds.get("tinted", 0.0) > _TINTED_FROM else cast


def _cast(light: Array) -> float:
    """Shades of grey (Finlayson and Trezzi 2004, p = 6): how far from neutral."""
    norm = (light.reshape(-1, 3) ** 6).mean(0) ** (1 / 6)
    return float(np.clip((norm.max() - norm.min()) / max(norm.max(), 1e-6), 0, 1))
