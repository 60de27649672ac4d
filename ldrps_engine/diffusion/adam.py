"""Adam for the few parameters that are trained on one photo (Kingma and Ba, ICLR 2015).

The arithmetic is `torch.optim`'s own. Its class imports torch's compiler when it is first made,
which takes a cold worker as long as importing the rest of torch does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

_BETAS = 0.9, 0.999
_EPSILON = 1e-8


class Adam:
    """Optimiser with a learning rate for each group of parameters."""

    def __init__(self, groups: Sequence[tuple[Iterable[nn.Parameter], float]]) -> None:
        self._groups = [(list(parameters), rate) for parameters, rate in groups]
        self._moments: dict[nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for parameters, rate in self._groups:
            moved = [parameter for parameter in parameters if parameter.grad is not None]
            moments = [self._moments_of(parameter) for parameter in moved]
            adam(
                list(moved),
                [parameter.grad for parameter in moved if parameter.grad is not None],
                [each["exp_avg"] for each in moments],
                [each["exp_avg_sq"] for each in moments],
                [],
                [each["step"] for each in moments],
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=rate,
                weight_decay=0.0,
                eps=_EPSILON,
                maximize=False,
            )

    def state(self) -> dict[int, dict[str, Tensor]]:
        """Steps and moments of each parameter that was ever moved, by its place in the groups."""
        places = enumerate(self._parameters())
        return {k: self._moments[each] for k, each in places if each in self._moments}

    def resume(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on from what `state` gave out."""
        for index, parameter in enumerate(self._parameters()):
            if index not in state:
                continue
            moments = self._moments_of(parameter)
            for name, value in state[index].items():
                moments[name].copy_(value)

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for parameters, _ in self._groups for parameter in parameters]

    def _moments_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self._moments:
            self._moments[parameter] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self._moments[parameter]
