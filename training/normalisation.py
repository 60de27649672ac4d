"""Batch normalisation of networks that ship without it: in training, in an export, and back again.

Ioffe and Szegedy, "Batch normalization" (2015). What it does when a network answers is one scale
and one shift for each channel, which an export folds into the convolution before it. A warm start
needs it back, with statistics that are not in the export: they are measured on the run's batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

EPSILON = 1e-5
_MOMENTUM = 0.02


def normalised(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Build a convolution with batch normalisation, as it is trained."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, EPSILON, momentum=_MOMENTUM))


def folded(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of plain convolutions, made of those of normalised ones."""
    norms = {name.removesuffix(".running_var") for name in values if name.endswith("running_var")}
    made: dict[str, Tensor] = {}
    for name, value in values.items():
        stem = name.rpartition(".")[0]
        norm = f"{stem.removesuffix('.0')}.1"
        if stem in norms:
            continue
        if norm not in norms or stem == norm.removesuffix(".1"):
            made[name] = value
            continue
        scale = values[f"{norm}.weight"] / (values[f"{norm}.running_var"] + EPSILON).sqrt()
        made[name] = value * scale[:, None, None, None]
        made[f"{stem}.bias"] = values[f"{norm}.bias"] - scale * values[f"{norm}.running_mean"]
    return made


@torch.no_grad()
def unfold(
    network: nn.Module,
    plain: dict[str, Tensor],
    answer: Callable[[Tensor], object],
    batches: Iterable[Tensor],
) -> None:
    """Load the weights of plain convolutions into a network of normalised ones.

    It answers as the plain one does, and normalises by what its convolutions give for the
    `batches`, through which `answer` takes the network. KeyError if the weights are another
    network's.
    """
    pairs = [pair for pair in network.modules() if _is_pair(pair)]
    names = {id(module): name for name, module in network.named_modules()}
    values = network.state_dict()
    for name in values:
        if name in plain:
            values[name] = plain[name]
    for pair in pairs:
        norm, bias = f"{names[id(pair)]}.1", plain[f"{names[id(pair)]}.0.bias"]
        # For now it is a shift alone, and the network the plain one.
        values[f"{norm}.running_mean"] = torch.zeros_like(bias)
        values[f"{norm}.running_var"] = torch.full_like(bias, 1 - EPSILON)
        values[f"{norm}.weight"], values[f"{norm}.bias"] = torch.ones_like(bias), bias
    network.load_state_dict(values)
    _normalise_by(network, pairs, answer, batches)


def _is_pair(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Sequential)
        and len(module) == 2
        and isinstance(module[1], nn.BatchNorm2d)
    )


def _record(convolution: nn.Module, known: list[Tensor]) -> RemovableHandle:
    def on_answer(_: nn.Module, __: object, given: Tensor) -> None:
        known.append(torch.stack([given.mean((0, 2, 3)), given.square().mean((0, 2, 3))]))

    return convolution.register_forward_hook(on_answer)


def _normalise_by(
    network: nn.Module,
    pairs: list[nn.Module],
    answer: Callable[[Tensor], object],
    batches: Iterable[Tensor],
) -> None:
    """Give each normalisation the statistics of its convolution, and undo them behind it."""
    seen: dict[int, list[Tensor]] = {id(pair): [] for pair in pairs}
    hooks = [_record(pair[0], seen[id(pair)]) for pair in pairs]  # type: ignore[index]
    was_training = network.training
    network.eval()
    for batch in batches:
        answer(batch)
    for hook in hooks:
        hook.remove()
    for pair in pairs:
        norm: nn.BatchNorm2d = pair[1]  # type: ignore[index, assignment]
        mean, square = torch.stack(seen[id(pair)]).mean(0)
        variance = (square - mean.square()).clamp(min=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + EPSILON).sqrt())
        norm.bias.add_(mean)
    network.train(was_training)
