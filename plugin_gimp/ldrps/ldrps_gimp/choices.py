"""Choices of the user. Checked here before a daemon is asked, in the user's language."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message

RECIPES = ("auto", "fast", "low-light", "haze", "noise", "colour", "old-photo", "paper")
NEW_LAYER, STAGES, REPLACE, NEW_IMAGE = OUTPUTS = ("new-layer", "stages", "replace", "new-image")
PART, DAMAGE = SELECTIONS = ("part", "damage")
"""Meaning of the selection: the part that changes, or damage to be filled."""
MAX_DESCRIPTION = 400
MAX_RECURRENCES = 3
MAX_STEPS = 1000
MAX_NOISE = 100.0
AMOUNTS = ("damage", "noise", "haze", "light", "cast", "colour")
"""Findings with an amount, as the contract names them."""
MAX_AMOUNT = 2.0
DECIDE = -1
"""Number that lets the daemon decide from the photo."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices for one request. The defaults are neutral."""

    recipe: str = "auto"
    strength: float = 1.0
    """Strength: 0 gives the photo back, 1 restores in full."""
    description: str = ""
    """Scene in the user's words; empty: found out."""
    recurrences: int = DECIDE
    steps: int = DECIDE
    noise_sigma: float = DECIDE
    """Noise in 8-bit steps."""
    amount_damage: float = DECIDE
    """Amounts of what is done about each finding: 0 leaves it, 1 is all of it, 2 is twice that."""
    amount_noise: float = DECIDE
    amount_haze: float = DECIDE
    amount_light: float = DECIDE
    amount_cast: float = DECIDE
    amount_colour: float = DECIDE
    seed: int = 0
    model: str = "bundled"
    output: str = NEW_LAYER
    selection: str = PART
    generated: bool = False
    """True if a map of what the model generated comes too."""

    def __post_init__(self) -> None:
        _one_of("recipe", self.recipe, RECIPES)
        _one_of("output", self.output, OUTPUTS)
        _one_of("selection", self.selection, SELECTIONS)
        _within("strength", self.strength, 0.0, 1.0)
        _within("recurrences", self.recurrences, DECIDE, MAX_RECURRENCES)
        _within("steps", self.steps, DECIDE, MAX_STEPS)
        _decided_or_within("noise-sigma", self.noise_sigma, MAX_NOISE)
        for name in AMOUNTS:
            _decided_or_within(f"amount-{name}", getattr(self, f"amount_{name}"), MAX_AMOUNT)
        _within("seed", self.seed, 0, 2**31 - 1)
        if self.steps == 0:
            raise RestoreError("settings", _("steps is 0; use 1 or more, or -1 to let it decide."))
        if len(self.description) > MAX_DESCRIPTION:
            text = _("The description has {count} characters; use at most {most}.")
            text = text.format(count=len(self.description), most=MAX_DESCRIPTION)
            raise RestoreError("settings", text)
        if not self.model:
            raise RestoreError("settings", _("model is empty; name an installed one: bundled."))

    def to_message(self) -> Message:
        """Convert to the daemon's Settings."""
        message: Message = {
            "recipe": self.recipe,
            "strength": self.strength,
            "seed": self.seed,
            "model": self.model,
        }
        if self.selection == DAMAGE:
            message["damage"] = "mask"
        wanted = ["stages"] if self.output == STAGES else ["restored"]
        if self.generated:
            wanted.append("generated")
        if wanted != ["restored"]:
            message["layers"] = wanted
        if self.description:
            message["description"] = self.description
        for name in ("recurrences", "steps", "noise_sigma"):
            if getattr(self, name) >= 0:
                message[name] = getattr(self, name)
        amounts = {name: getattr(self, f"amount_{name}") for name in AMOUNTS}
        chosen = {name: amount for name, amount in amounts.items() if amount != DECIDE}
        if chosen:
            message["amounts"] = chosen
        return message

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for provenance."""
        return dataclasses.asdict(self)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        text = _("{name} '{value}' is not known; use one of: {allowed}.")
        raise RestoreError(
            "settings", text.format(name=name, value=value, allowed=", ".join(allowed))
        )


def _decided_or_within(name: str, value: float, high: float) -> None:
    # What lies between -1 and 0 is no number of its own, and would be taken for -1.
    if value != DECIDE and not 0.0 <= value <= high:
        text = _("{name} is {value}; use a value from {low} to {high}, or -1 to let it decide.")
        raise RestoreError("settings", text.format(name=name, value=value, low=0.0, high=high))


def _within(name: str, value: float, low: float, high: float) -> None:
    # Written so that NaN fails too.
    if not low <= value <= high:
        text = _("{name} is {value}; use a value from {low} to {high}.")
        raise RestoreError("settings", text.format(name=name, value=value, low=low, high=high))
