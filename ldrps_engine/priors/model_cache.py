"""Models in memory: warm together while they fit in the budget, else in turn.

What has not been used for the longest time makes room first. A model that is over the budget by
itself is loaded so that its networks take turns on the device, or refused where there is no host
memory behind the device to wait in.
"""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ldrps_engine.captioning.describer import Describer
from ldrps_engine.errors import ModelError, SettingsError
from ldrps_engine.model_store.catalogue import catalogue
from ldrps_engine.progress import Loading, OnStep, ignore

if TYPE_CHECKING:
    from ldrps_engine.priors.base import LatentPrior

MEMORY_VARIABLE = "LDRPS_MEMORY"
"""Bytes for models on a device, such as `8GB`; unset: most of what the device has."""
SHARE_VARIABLE = "LDRPS_DESCRIBER_SHARE"
"""Part of them that a describer may take, 0 to 1."""
_MOST = 0.85
_DESCRIBER_SHARE = 0.5
# Weights are not all: activations, and copies while they are read.
_AROUND = 1.25
_UNKNOWN = 1 << 62
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

Kind = Literal["prior", "describer"]


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A model in memory."""

    name: str
    kind: Kind
    bytes: int
    """Size of its weights."""
    load_seconds: float
    """Time it took to read."""
    idle_seconds: float
    """Since it was last used."""


@dataclass
class _Held:
    model: Any
    kind: Kind
    bytes: int
    load_seconds: float
    used: float


class ModelCache:
    """The models of one worker, on one device (`cpu`, `cuda:0`)."""

    def __init__(
        self,
        device: str = "cpu",
        budget: int | None = None,
        describer_share: float | None = None,
        *,
        low_memory: bool = False,
    ) -> None:
        """`budget` in bytes; None: `$LDRPS_MEMORY`, else most of what the device has.

        `low_memory`: never two models at once, and autoencoders work in tiles, one image at a time.
        """
        self.device = device
        self.low_memory = low_memory
        self.budget = budget or _chosen_budget() or int(_MOST * _device_bytes(device))
        self._share = _chosen_share() if describer_share is None else describer_share
        self._held: dict[str, _Held] = {}

    def prior(self, name: str, on_step: OnStep = ignore) -> LatentPrior:
        """The prior of that name or path, loaded on first use."""
        # Imported late: photos that need no model should not load torch.
        from ldrps_engine.priors.placement import Placement
        from ldrps_engine.priors.registry import load_prior, prior_bytes

        def load() -> LatentPrior:
            weights = prior_bytes(name, Placement(device=self.device))
            needed = int(weights * _AROUND)
            self._make_room(name, needed)
            over = needed > self.budget
            if over and self.device == "cpu":
                raise self._too_large(name, needed)
            # No more than the weights: a placement as tight as that saves what can be saved.
            tight = min(self.budget, weights) if self.low_memory else None
            return load_prior(
                name, Placement(device=self.device, budget=self.budget if over else tight)
            )

        found: LatentPrior = self._get(name, "prior", load, on_step)
        return found

    def describer(self, name: str, on_step: OnStep = ignore) -> Describer:
        """The describer of that name or path, loaded on first use."""
        from ldrps_engine.captioning.multimodal import MultimodalDescriber, describer_bytes

        def load() -> Describer:
            share = int(self._share * self.budget)
            bits, needed = describer_bytes(name, self.device, share)
            if needed > share:
                raise ModelError(
                    f"describer '{name}' needs {needed / 1e9:.1f} GB and may take "
                    f"{share / 1e9:.1f} GB; take a smaller one, or raise {SHARE_VARIABLE}"
                )
            self._make_room(name, needed)
            return MultimodalDescriber(name, self.device, bits)

        found: Describer = self._get(name, "describer", load, on_step)
        return found

    def load(self, name: str, on_step: OnStep = ignore) -> None:
        """Load a model of either kind; ModelError for one that is loaded with another."""
        from ldrps_engine.model_store.store import is_describer

        entry = catalogue().get(name)
        if entry is not None and entry.kind == "tiny":
            raise ModelError(f"model '{name}' is loaded together with a prior; load that one")
        if is_describer(name):
            self.describer(name, on_step)
        else:
            self.prior(name, on_step)

    def unload(self, name: str) -> bool:
        """Give a model's memory back; whether it was there."""
        held = self._held.pop(name, None)
        if held is None:
            return False
        del held
        _collect(self.device)
        return True

    def rest(self) -> None:
        """Give the device's memory back and keep the weights in the host's."""
        for held in self._held.values():
            held.model.rest()
        _collect(self.device)

    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return sorted(self._held)

    def residents(self) -> list[Resident]:
        """The models in memory, the one used last first."""
        now = time.monotonic()
        order = sorted(self._held.items(), key=lambda pair: -pair[1].used)
        return [
            Resident(
                name=name,
                kind=held.kind,
                bytes=held.bytes,
                load_seconds=held.load_seconds,
                idle_seconds=now - held.used,
            )
            for name, held in order
        ]

    def _get(self, name: str, kind: Kind, load: Callable[[], Any], on_step: OnStep) -> Any:
        held = self._held.get(name)
        if held is not None and held.kind != kind:
            raise ModelError(f"model '{name}' is no {kind}; 'ldrps models list' says what is one")
        if held is None:
            on_step(Loading(name, 0.0))
            began = time.monotonic()
            model = load()
            now = time.monotonic()
            held = _Held(model, kind, model.total_bytes(), now - began, now)
            self._held[name] = held
            on_step(Loading(name, 1.0))
        held.used = time.monotonic()
        return held.model

    def _make_room(self, name: str, needed: int) -> None:
        """Unload others, the longest unused first, until `needed` bytes are free."""
        while self._held and (self.low_memory or needed + self._taken() > self.budget):
            self.unload(min(self._held, key=lambda other: self._held[other].used))

    def _taken(self) -> int:
        return int(_AROUND * sum(held.bytes for held in self._held.values()))

    def _too_large(self, name: str, needed: int) -> ModelError:
        return ModelError(
            f"model '{name}' is too large for the memory there is: it needs about "
            f"{needed / 1e9:.1f} GB and {self.budget / 1e9:.1f} GB may be used; "
            f"take a smaller model, or raise {MEMORY_VARIABLE}"
        )


def parse_bytes(text: str) -> int:
    """Bytes from `8GB`, `500 MB` or a plain number; SettingsError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]B)?\s*", text, re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise SettingsError(f"'{text}' is no amount of memory; write it like 8GB or 500MB")
    return int(float(found[1]) * _UNITS[(found[2] or "").upper()])


def _chosen_budget() -> int | None:
    text = os.environ.get(MEMORY_VARIABLE)
    return parse_bytes(text) if text else None


def _chosen_share() -> float:
    text = os.environ.get(SHARE_VARIABLE)
    if not text:
        return _DESCRIBER_SHARE
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{SHARE_VARIABLE} is '{text}'; use a number from 0 to 1")
    return share


def _device_bytes(device: str) -> int:
    if device == "cpu":
        # Windows does not say: nothing has to leave then unless the variable sets a limit.
        if not hasattr(os, "sysconf"):
            return _UNKNOWN
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import torch

    return int(torch.cuda.mem_get_info(device)[1])


def _collect(device: str) -> None:
    gc.collect()
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()
