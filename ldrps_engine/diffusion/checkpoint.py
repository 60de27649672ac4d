"""A sampler's state as bytes: safetensors, so that reading one can run no code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ldrps_engine.diffusion.sampling_plan import SamplingPlan
from ldrps_engine.diffusion.view import View
from ldrps_engine.settings import Settings

_CASE = "case"


class Checkpoints:
    """Makes and reads the checkpoints of one photo's sampling."""

    def __init__(self, settings: Settings, sampling_plan: SamplingPlan, view: View) -> None:
        words = repr((settings, sampling_plan, view, torch.__version__))
        digest = hashlib.sha256(words.encode()).digest()
        self._case = torch.frombuffer(bytearray(digest), dtype=torch.uint8)

    def make(self, state: Mapping[str, Tensor]) -> bytes:
        """A sampler's state and what it belongs to."""
        # A solver remembers the very latent that the sampler does; safetensors wants each apart.
        tensors = {name: one.detach().cpu().contiguous().clone() for name, one in state.items()}
        return bytes(save(tensors | {_CASE: self._case}))

    def read(self, data: bytes | None) -> dict[str, Tensor] | None:
        """The state in a checkpoint; None for none, for a broken one and for another case's."""
        try:
            state = load(data) if data else {}
        except SafetensorError:
            return None
        case = state.pop(_CASE, None)
        return state if case is not None and torch.equal(case, self._case) else None
