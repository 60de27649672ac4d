"""The one loop in which every network here is trained, and what is kept of a run between steps.

A run of a network says what it draws, what it loses and what it measures. The rest is the same for
all: batches drawn ahead on a thread, a learning rate that rises at the start and falls at the end,
gradients of bounded length, an average of the weights, and a state that a kill cannot spoil.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from training.config import Pace
from training.prefetch import Prefetched
from training.state import RunState, resume, save_run

Batch = TypeVar("Batch")
Chore = tuple[Callable[[], None], float]
"""Something to do during a run, and every how many minutes."""

_AHEAD = 3
_LINE_SECONDS = 60.0


def seeded_device(seed: int) -> torch.device:
    """Seed torch, so that a new network's weights are the same each time; return where to train."""
    torch.manual_seed(seed)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class TrainingRun(ABC, Generic[Batch]):
    """A network in training, the average of its weights, and how far it has come.

    It goes on from the file `state`, where there is one. Parameters that need no gradient are
    neither trained nor averaged; floating-point buffers, which training moves too, are averaged.
    """

    def __init__(
        self,
        state: Path,
        network: nn.Module,
        how: Pace,
        progress: Mapping[str, float] | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.state, self.pace, self.network = state, how, network
        self.device = next(network.parameters()).device
        # The stubs of torch do not know this overload.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        zero: dict[str, float] = {"step": 0, "samples": 0, "seconds": 0.0}
        self.progress = zero | dict(progress or {})
        self.average = {name: value.detach().clone() for name, value in self._averaged()}
        self._trained = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self._trained, how.learning_rate, betas, weight_decay=how.weight_decay, fused=True
        )
        self._taken = 0
        self.about: dict[str, str] = {}
        """Everything else that the state holds."""
        if state.exists():
            saved = resume(state, network, self.average, self.optimiser)
            self.progress, self._taken, self.about = saved.progress, saved.taken, saved.about

    @abstractmethod
    def source(self, seed: int) -> Callable[[], Batch]:
        """Return what draws the next batch, the same ones for the same seed."""

    @abstractmethod
    def count(self, batch: Batch) -> int:
        """Return the number of samples in a batch."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of the network on a batch, with its gradient."""

    @abstractmethod
    def measure(self) -> None:
        """Print, and add to the curve, how good the averaged weights are by now."""

    def chores(self) -> Iterable[Chore]:
        """Return what is done during a run besides training; the state is saved in any case."""
        return [(self.save, self.pace.save_minutes)]

    def train(self, minutes: float, cool_down: float = 0.0) -> None:
        """Train for `minutes`, and save as often as configured and at the end.

        The learning rate falls to nothing over the last `cool_down` of them.
        """
        # Another seed than before, or a resumed run would see the first batches once more.
        source = self.source(self.pace.seed + int(self.progress["step"]))
        with Prefetched(source, _AHEAD) as ready:
            self._train(ready, minutes, cool_down)
        self.save()

    def _train(self, ready: Prefetched[Batch], minutes: float, cool_down: float) -> None:
        start = last_line = time.monotonic()
        due = {chore: start + every * 60 for chore, every in self.chores()}
        losses: list[float] = []
        drawn = self.progress["samples"]
        while (now := time.monotonic()) - start < minutes * 60:
            left = minutes - (now - start) / 60
            rate = min(1.0, left / cool_down) if cool_down else 1.0
            losses.append(self.step(ready.next(), rate))
            self.progress["seconds"] += time.monotonic() - now
            if now - last_line > _LINE_SECONDS:
                pace = (self.progress["samples"] - drawn) / (now - last_line)
                print(
                    f"step {int(self.progress['step'])} loss {np.mean(losses):.4f} "
                    f"{pace:.1f} samples/s, {left:.0f} min left",
                    flush=True,
                )
                losses, drawn, last_line = [], self.progress["samples"], now
            for chore, every in self.chores():
                if now > due[chore]:
                    chore()
                    due[chore] = now + every * 60

    def step(self, batch: Batch, rate: float = 1.0) -> float:
        """Take one optimiser step at this share of the learning rate; return the loss."""
        self._taken += 1
        # The optimiser of a warm start knows no gradient yet: it warms up as a new one.
        rate *= self.pace.learning_rate * min(1.0, self._taken / self.pace.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self.loss(batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        # One strange batch must not throw the weights away.
        torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self.optimiser.step()
        self.progress["step"] += 1
        self.progress["samples"] += self.count(batch)
        # Short at first, so that the average forgets the random weights that it began with.
        decay = min(self.pace.average_decay, (self._taken + 1) / (self._taken + 10))
        with torch.no_grad():
            values = [value.detach() for _, value in self._averaged()]
            torch._foreach_lerp_(list(self.average.values()), values, 1 - decay)
        return float(loss.item())

    def save(self) -> None:
        """Write the state next to the old one and rename it over, and measure."""
        run = RunState(self.progress, self._taken, self.about)
        save_run(self.state, self.network, self.average, self.optimiser, run)
        self.measure()

    def averaged_state(self) -> dict[str, Tensor]:
        """Return the network's whole state with the averages in place of the weights."""
        return dict(self.network.state_dict()) | self.average

    def _averaged(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in self.network.state_dict(keep_vars=True).items():
            frozen = isinstance(value, nn.Parameter) and not value.requires_grad
            if value.is_floating_point() and not frozen:
                yield name, value
