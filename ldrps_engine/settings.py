"""The caller's choices: validated once at the edge, frozen, the whole request in one object."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real

from ldrps_engine.errors import SettingsError

RECIPES = ("auto", "fast", "low-light", "haze", "noise", "colour", "old-photo", "paper")
"""`auto` and the quicker `fast` are blind; others say what is wrong; `paper` is as published."""

SOLVERS = ("ddim", "dpm++", "unipc")
"""Ways to take a sampling step; see ldrps_engine.diffusion.solver."""

MAPS = ("missing-light", "haze", "noise", "damage")
"""Maps of what was found in each place."""

STAGES = ("repaired", "denoised", "tone-mapped", "coloured")
"""The photo after each stage: damage filled and hot pixels mended; noise and blocks filtered; cast,
fading, light and haze undone; colours given. Only stages that change it have a layer."""

LAYERS = ("restored", "pilot", "generated", *STAGES, *MAPS)
"""Pictures of a result: the restored photo, the sampled pilot as it left the model, a map of how
much of the restored photo comes from the model, the photo after each stage, and maps of what was
found."""

FORMER_LAYERS = {"invented": "generated", "toned": "tone-mapped"}
"""Former names of layers, which requests and what was kept may still have."""

GREY_LAYERS = ("generated", *MAPS)
"""Layers of one 8-bit channel, whatever the photo has."""

FINDINGS = "findings"
"""Stands for all of MAPS in a request."""

ALL_STAGES = "stages"
"""Stands for the restored photo and all of STAGES in a request."""

DAMAGE = ("auto", "off", "mask")
"""Damage that is found is filled, none is looked for, or what a mask marks is filled."""

AMOUNTS = ("damage", "noise", "haze", "light", "cast", "colour")
"""Findings with an amount: what is damaged is filled; noise; haze; missing light; casts and fading;
colours that are given to a photo which has none."""

MAX_AMOUNT = 2.0
MAX_DESCRIPTION = 400
MAX_RECURRENCES = 3
MAX_STEPS = 1000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One request. Neutral values are the defaults; None means: decide from the photo."""

    recipe: str = "auto"
    """One of RECIPES."""
    strength: float = 1.0
    """0 gives the photo back, 1 the full restoration; a blend along the way it was changed."""
    description: str | None = None
    """The scene in the user's own words, at most 400 characters. None: the describer writes it."""
    recurrences: int | None = None
    """Further passes from the middle of the schedule, 0 to 3. None: as the recipe says."""
    steps: int | None = None
    """Sampling steps of the first pass, 1 to 1000. None: as the recipe says."""
    seed: int = 0
    """Seed of the sampler's noise, 0 to 2**63 - 1. Same seed and device, same pixels.
    Of lost colours, 0 gives the most likely ones and any other seed a variation."""
    model: str = "bundled"
    """Name of an installed prior."""
    noise_sigma: float | None = None
    """Noise standard deviation in 8-bit steps, 0 to 100. None: measured."""
    describer: str = "auto"
    """Describer of the scene: `tagger`, the name of an installed one, or `auto`, the best
    that is installed."""
    solver: str | None = None
    """One of SOLVERS. None: as the recipe says."""
    allow_colour: bool = False
    """Permission for `auto` and `fast` to give colours to a photo that has none."""
    damage: str | None = None
    """One of DAMAGE; `mask` goes with a photo that has one, see `Photo.with_damage`. None: as the
    recipe says: `old-photo` fills what is found, the others name it and leave it."""
    amounts: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Amount of what is done about a finding, 0 to 2 times, by names out of AMOUNTS: 0 leaves it,
    1 is all of it. Absent: as diagnosed, see `Diagnosis.amounts`."""
    layers: tuple[str, ...] = ("restored",)
    """Names out of LAYERS to return, in this order; `findings` stands for all of MAPS,
    and `stages` for the restored photo and all of STAGES."""

    def __post_init__(self) -> None:
        _one_of("recipe", self.recipe, RECIPES)
        _within("strength", self.strength, 0.0, 1.0)
        _whole_within("seed", self.seed, 0, MAX_SEED)
        if self.recurrences is not None:
            _whole_within("recurrences", self.recurrences, 0, MAX_RECURRENCES)
        if self.steps is not None:
            _whole_within("steps", self.steps, 1, MAX_STEPS)
        if self.noise_sigma is not None:
            _within("noise_sigma", self.noise_sigma, 0.0, 100.0)
        for name in ("description", "model", "describer"):
            _check_text(name, getattr(self, name))
        if self.description is not None and len(self.description) > MAX_DESCRIPTION:
            raise SettingsError(
                f"description has {len(self.description)} characters; use at most {MAX_DESCRIPTION}"
            )
        if not self.model:
            raise SettingsError("model is empty; name an installed model, such as 'bundled'")
        if not self.describer:
            raise SettingsError("describer is empty; use auto, tagger or an installed describer")
        if self.solver is not None:
            _one_of("solver", self.solver, SOLVERS)
        if self.damage is not None:
            _one_of("damage", self.damage, DAMAGE)
        object.__setattr__(self, "amounts", _amounts(self.amounts))
        if self.allow_colour not in (True, False):
            raise SettingsError(f"allow_colour is {self.allow_colour!r}; use true or false")
        if isinstance(self.layers, str) or not isinstance(self.layers, Sequence):
            raise SettingsError(f"layers is {self.layers!r}; give a list of names")
        if not self.layers:
            raise SettingsError(f"layers is empty; ask for some of {', '.join(LAYERS)}")
        for layer in self.layers:
            if layer not in tuple(FORMER_LAYERS):
                _one_of("layers", layer, (*LAYERS, ALL_STAGES, FINDINGS))
        object.__setattr__(self, "layers", spelt_out(self.layers))

    @property
    def mends_damage(self) -> bool:
        """Tell whether damage that is found is filled, unless amounts say otherwise."""
        return self.damage == "auto" or (self.damage is None and self.recipe == "old-photo")

    @property
    def details_damage(self) -> bool:
        """Tell whether damage is filled or shown also where it is too improbable to be named."""
        filled = self.mends_damage or self.amounts.get("damage", 0.0) > 0
        return filled or "damage" in self.layers

    @property
    def looks_for_damage(self) -> bool:
        """Tell whether damage is looked for; the published method knows of none."""
        return self.damage in ("auto", None) and (self.recipe != "paper" or self.mends_damage)

    @property
    def mends_worst_damage(self) -> bool:
        """Tell whether damage that is beyond doubt is filled, unless amounts say otherwise."""
        return self.mends_damage or (self.damage is None and self.blind)

    @property
    def blind(self) -> bool:
        """Tell whether a photo with nothing wrong is to be left alone."""
        return self.recipe in ("auto", "fast")

    def as_dict(self) -> dict[str, object]:
        """Plain values, for logs, JSON and metadata."""
        return dataclasses.asdict(self)


def spelt_out(layers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the layers with stages and maps by their names of today, each once."""
    meant: dict[str, tuple[str, ...]] = {
        former: (today,) for former, today in FORMER_LAYERS.items()
    }
    meant |= {FINDINGS: MAPS, ALL_STAGES: ("restored", *STAGES)}
    named = [name for layer in layers for name in meant.get(layer, (layer,))]
    return tuple(dict.fromkeys(named))


def _amounts(given: object) -> dict[str, float]:
    """Return amounts in the order of AMOUNTS; SettingsError for any that cannot be one."""
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"amounts is {given!r}; give a number from 0 to 2 for each name out of "
            f"{', '.join(AMOUNTS)}"
        )
    for name, value in given.items():
        _one_of("amount", str(name), AMOUNTS)
        # bool is an int to Python, but "true" is no amount.
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise SettingsError(f"amount {name} is {value!r}; use a number from 0 to 2")
        _within(f"amount {name}", value, 0.0, MAX_AMOUNT)
    return {name: float(given[name]) for name in AMOUNTS if name in given}


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} '{value}' is not known; use one of {', '.join(allowed)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    # numpy's numbers are such, too; bool is one to Python, but none to people.
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SettingsError(f"{name} is {value!r}; use a number from {low} to {high}")
    # Written so that NaN fails too.
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}; use a value from {low} to {high}")


def _whole_within(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SettingsError(f"{name} is {value!r}; use a whole number from {low} to {high}")
    _within(name, value, low, high)


def _check_text(name: str, value: str | None) -> None:
    if not isinstance(value, str | None):
        raise SettingsError(f"{name} is {value!r}; give a text")
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise SettingsError(f"{name} is not text; give it in UTF-8") from None
