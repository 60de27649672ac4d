"""From one noise level to the next: DDIM, DPM-Solver++(2M) and UniPC, all without added noise.

Every one of them moves along a straight line through some clean latent; they differ in which.
DDIM (Song et al., ICLR 2021) takes the current estimate, DPM-Solver++(2M) (Lu et al., 2022) leads
it by its last change, UniPC (Zhao et al., NeurIPS 2023, order 2, B2) also corrects where it stands
once the next estimate is known. None costs a further evaluation of the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Point:
    """A latent on the way: what is taken for clean in it, for noise, and its cumulative alpha."""

    clean: Tensor
    noise: Tensor
    alpha: float

    @property
    def level(self) -> float:
        """Half the logarithm of the signal-to-noise ratio, the papers' lambda."""
        return _level(self.alpha)


class Solver:
    """The moves of one pass. Remembers the last two points; `ddim` remembers nothing."""

    def __init__(self, kind: str = "ddim") -> None:
        self._kind = kind
        self._past: list[_Point] = []

    def corrected(self, clean: Tensor, noise: Tensor, alpha: float) -> Tensor:
        """Noise to go on with at `alpha`, where `clean` was just estimated; UniPC's corrector."""
        if self._kind != "unipc" or not self._past:
            return noise
        last = self._past[-1]
        lead = self._correction(clean, alpha)
        moved = _moved(last, lead, alpha)
        stood = _moved(last, self._lead(last, self._past[:-1], alpha), alpha)
        return noise + (moved - stood) / math.sqrt(1 - alpha)

    def advance(self, clean: Tensor, noise: Tensor, alpha: float, after: float) -> Tensor:
        """The latent at `after` from the one at `alpha`, given as its clean part and its noise."""
        here = _Point(clean, noise, alpha)
        if self._kind == "ddim":
            return _moved(here, torch.zeros_like(clean), after)
        moved = _moved(here, self._lead(here, self._past, after), after)
        self._past = [*self._past, here][-2:]
        return moved

    def state(self) -> dict[str, Tensor]:
        """State that the next move depends on, by name."""
        found: dict[str, Tensor] = {}
        for k, point in enumerate(self._past):
            found |= {f"solver.{k}.clean": point.clean, f"solver.{k}.noise": point.noise}
            found[f"solver.{k}.alpha"] = torch.tensor(point.alpha, dtype=torch.float64)
        return found

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave out."""
        names = sorted({key.rpartition(".")[0] for key in state if key.startswith("solver.")})
        self._past = [
            _Point(state[f"{n}.clean"], state[f"{n}.noise"], float(state[f"{n}.alpha"]))
            for n in names
        ]

    def _lead(self, here: _Point, past: list[_Point], after: float) -> Tensor:
        """Distance that the line aims ahead of the clean estimate; 0 at either end of a pass."""
        # At both ends lambda is infinite: the papers' first and last steps are of first order, too.
        if not past or after >= 1 or here.alpha <= 0 or past[-1].alpha <= 0:
            return torch.zeros_like(here.clean)
        ratio = (here.level - past[-1].level) / (_level(after) - here.level)
        return (here.clean - past[-1].clean) / (2 * ratio)

    def _correction(self, clean: Tensor, alpha: float) -> Tensor:
        last = self._past[-1]
        if last.alpha <= 0:
            return torch.zeros_like(clean)
        change = clean - last.clean
        if len(self._past) < 2 or self._past[-2].alpha <= 0:
            return change / 2
        step = _level(alpha) - last.level
        before = self._past[-2]
        ratio = (before.level - last.level) / step
        first, second = _weights(step, ratio)
        return first * (before.clean - last.clean) / ratio + second * change


def _weights(step: float, ratio: float) -> tuple[float, float]:
    """UniPC's two weights of order 2: those that make the corrector exact for a parabola."""
    scale = math.expm1(-step)
    phi = scale / -step - 1
    one = phi / scale
    two = 2 * (phi / -step - 0.5) / scale
    second = (two - ratio * one) / (1 - ratio)
    return one - second, second


def _moved(here: _Point, lead: Tensor, after: float) -> Tensor:
    """Along the line through the latent and its clean part plus `lead`, to noise level `after`."""
    signal = math.sqrt(here.alpha / max(1 - here.alpha, 1e-12))
    noise = here.noise - signal * lead
    return math.sqrt(after) * (here.clean + lead) + math.sqrt(max(1 - after, 0.0)) * noise


def _level(alpha: float) -> float:
    return 0.5 * math.log(alpha / (1 - alpha))
