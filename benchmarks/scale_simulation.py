"""A discrete-event simulation of fronts, their disks and networks, and workers.

Photos come at random (Poisson), each to the front of its turn. Every front has an event loop
that does one thing at a time, one disk, one network and its share of the workers. One that has
its fill of photos refuses more, as the daemon does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

Events = Generator[simpy.Event, Any, None]
Draw = Callable[[], float]
"""Seconds that the next one takes."""


class Station:
    """Servers with one queue, first come first served."""

    def __init__(self, env: simpy.Environment, servers: int) -> None:
        self.servers = servers
        self.busy = 0.0
        """Seconds that servers have worked, all together."""
        self.waits: list[float] = []
        self._env = env
        self._room = simpy.Resource(env, servers)

    def serve(self, seconds: float) -> Events:
        """Wait for a server and use it."""
        with self.taken() as turn:
            began = self._env.now
            yield turn
            self.waits.append(self._env.now - began)
            yield self._env.timeout(seconds)
            self.worked(seconds)

    def taken(self) -> Any:
        """Ask for a server, which is given back at the end of a `with` block."""
        return self._room.request()

    def worked(self, seconds: float) -> None:
        """Note that a server was held."""
        self.busy += seconds


@dataclass(frozen=True, kw_only=True)
class Plant:
    """An installation, and the share of it that a photo takes."""

    fronts: int
    slots: int
    """Workers, of all fronts together."""
    photos_a_second: float
    accept_seconds: float
    """Event loop: until the photo is in the queue."""
    send_seconds: float
    """Event loop: to give it to a worker,"""
    finish_seconds: float
    """and for its reports and its result."""
    work_seconds: float
    """A worker's own, on average."""
    photo_gigabytes: float
    network: float
    """Gigabytes a second, each direction,"""
    disk: float
    """and written to a front's disk."""
    here_at_most: int
    """Photos that a front has at once; more are refused."""
    spread: float = 0.5
    """Standard deviation of a worker's time over its mean."""
    carried: bool = True
    """Photos and results go through the front on their way to and from workers."""


@dataclass(kw_only=True)
class _Front:
    loop: Station
    inward: Station
    outward: Station
    disk: Station
    slots: Station
    here: int = 0


@dataclass(kw_only=True)
class Outcome:
    """Figures of a run after its warm-up."""

    done_a_second: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds from the end of Submit to a worker."""
    stays: list[float] = field(default_factory=list)
    """Seconds from the first byte to the result."""
    refused: int = 0
    here: int = 0
    """Photos in the installation at the end."""
    loop_busy: float = 0.0
    """Shares of the time,"""
    slots_busy: float = 0.0

    def wait(self, percent: float) -> float:
        """Percentile of the wait for a worker; NaN if no job got one."""
        return float(np.percentile(self.waits, percent)) if self.waits else float("nan")


def simulate(plant: Plant, seconds: float, warm_up: float, seed: int = 1) -> Outcome:
    """Run the installation for so long after a warm-up that is not counted."""
    env, dice = simpy.Environment(), random.Random(seed)
    share, left = divmod(plant.slots, plant.fronts)
    fronts = [
        _Front(
            loop=Station(env, 1),
            inward=Station(env, 1),
            outward=Station(env, 1),
            disk=Station(env, 1),
            slots=Station(env, share + (index < left)),
        )
        for index in range(plant.fronts)
    ]
    outcome = Outcome()
    env.process(_arrivals(env, plant, fronts, outcome, dice, warm_up))
    env.run(warm_up)
    before = [(front.loop.busy, front.slots.busy) for front in fronts]
    env.run(warm_up + seconds)
    outcome.here = sum(front.here for front in fronts)
    outcome.done_a_second = len(outcome.stays) / seconds
    worked = [
        (front.loop.busy - loop, front.slots.busy - slots)
        for front, (loop, slots) in zip(fronts, before, strict=True)
    ]
    outcome.loop_busy = sum(loop for loop, _ in worked) / plant.fronts / seconds
    outcome.slots_busy = sum(slots for _, slots in worked) / plant.slots / seconds
    return outcome


def _arrivals(
    env: simpy.Environment,
    plant: Plant,
    fronts: list[_Front],
    outcome: Outcome,
    dice: random.Random,
    warm_up: float,
) -> Events:
    work = lasting(plant.work_seconds, plant.spread, dice)
    number = 0
    while True:
        yield env.timeout(dice.expovariate(plant.photos_a_second))
        front = fronts[number % plant.fronts]
        number += 1
        if front.here < plant.here_at_most:
            front.here += 1
            env.process(_photo(env, plant, front, outcome, work, warm_up))
        elif env.now >= warm_up:
            outcome.refused += 1


def _photo(
    env: simpy.Environment,
    plant: Plant,
    front: _Front,
    outcome: Outcome,
    work: Draw,
    warm_up: float,
) -> Events:
    came = env.now
    over_network = plant.photo_gigabytes / plant.network
    to_disk = plant.photo_gigabytes / plant.disk
    yield from front.inward.serve(over_network)
    yield from front.disk.serve(to_disk)
    yield from front.loop.serve(plant.accept_seconds)
    queued = env.now
    with front.slots.taken() as slot:
        yield slot
        held = env.now
        if held >= warm_up:
            outcome.waits.append(held - queued)
        yield from front.loop.serve(plant.send_seconds)
        if plant.carried:
            yield from front.outward.serve(over_network)
        yield env.timeout(work())
        if plant.carried:
            yield from front.inward.serve(over_network)
            yield from front.disk.serve(to_disk)
        yield from front.loop.serve(plant.finish_seconds)
        front.slots.worked(env.now - max(held, warm_up))
    yield from front.outward.serve(over_network)
    front.here -= 1
    if env.now >= warm_up:
        outcome.stays.append(env.now - came)


def lasting(mean: float, spread: float, dice: random.Random) -> Draw:
    """Draw times of such a mean, and of a standard deviation of so many means (gamma)."""
    if not spread:
        return lambda: mean
    shape = 1 / spread**2
    return lambda: dice.gammavariate(shape, mean / shape)
