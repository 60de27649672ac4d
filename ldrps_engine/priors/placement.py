"""Places of a model's networks: on the device while they are used, on the host while they wait."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from ldrps_engine.errors import ModelError

# Beside the weights there are activations; below this multiple of them, memory is saved.
_ROOMY = 1.6


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Device and memory for a model. Neutral: the CPU, all of it."""

    device: str = "cpu"
    """`cpu`, `cuda:0` ..."""
    budget: int | None = None
    """Bytes that may be used on the device; None: as many as there are."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights: single precision on the CPU, bfloat16 elsewhere."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    def is_tight(self, weights: int) -> bool:
        """Tell whether the autoencoder should work in tiles, one image at a time."""
        return self.budget is not None and self.budget < _ROOMY * weights


@cache
def has_bfloat16(device: str) -> bool:
    """Tell whether `cpu` or `cuda` multiplies in bfloat16 by itself.

    A processor that does not (any without AVX512-BF16 or AMX) takes several times as long as in
    single precision.
    """
    if device != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def arithmetic(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Context for networks with weights in single precision: bfloat16 if that is faster."""
    if not has_bfloat16(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class Parts:
    """The networks of one model under one budget: the most recently used stay on the device."""

    def __init__(self, networks: dict[str, Any], placement: Placement, name: str) -> None:
        """ModelError if the largest network alone is over the budget and cannot be streamed."""
        self._networks = networks
        self._device = torch.device(placement.device)
        self._budget = placement.budget
        self._sizes = {key: network_bytes(network) for key, network in networks.items()}
        self._here: list[str] = []
        self._streamed: set[str] = set()
        for key, size in self._sizes.items():
            if self._budget is not None and size > self._budget:
                self._stream(key, name)

    def use(self, key: str) -> Any:
        """The network, on the device; others make room for it, the longest unused first."""
        if key in self._streamed:
            return self._networks[key]
        if key in self._here:
            self._here.remove(key)
        else:
            self._make_room(self._sizes[key])
            self._networks[key].to(self._device)
        self._here.append(key)
        return self._networks[key]

    def here(self) -> tuple[str, ...]:
        """Networks on the device, the longest unused first."""
        return tuple(self._here)

    def __contains__(self, key: str) -> bool:
        return key in self._networks

    @property
    def streamed(self) -> frozenset[str]:
        """Networks that come to the device layer by layer, because they do not fit whole."""
        return frozenset(self._streamed)

    def put_away(self) -> None:
        """Send everything back to the host."""
        while self._here:
            self._networks[self._here.pop()].to("cpu")

    def total_bytes(self) -> int:
        """Size of all weights."""
        return sum(self._sizes.values())

    def _make_room(self, size: int) -> None:
        if self._budget is None:
            return
        while self._here and size + sum(self._sizes[k] for k in self._here) > self._budget:
            self._networks[self._here.pop(0)].to("cpu")

    def _stream(self, key: str, name: str) -> None:
        try:
            from accelerate import cpu_offload
        except ImportError:
            raise ModelError(
                f"model '{name}' is too large for the memory there is: {key} alone needs "
                f"{_gigabytes(self._sizes[key])} and {_gigabytes(self._budget or 0)} may be used; "
                "take a smaller model, or install accelerate to load it layer by layer"
            ) from None
        cpu_offload(self._networks[key], execution_device=self._device)
        self._streamed.add(key)


def network_bytes(network: nn.Module) -> int:
    """Memory of a network's weights and buffers."""
    held = [*network.parameters(), *network.buffers()]
    return sum(value.numel() * value.element_size() for value in held)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
