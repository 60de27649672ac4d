"""Workers on the nodes of a Ray cluster: one for each GPU, or one for each node's CPU."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ldrps_daemon.cluster.autoscaling import Autoscaling
from ldrps_daemon.cluster.connection import joined
from ldrps_daemon.cluster.models import NodeModels, name_of
from ldrps_daemon.cluster.transport import NodeDevice, RayTransport
from ldrps_daemon.config import AUTO, SHARED, ServeConfig
from ldrps_daemon.scheduling.worker_specs import Load, Node, OnProgress, WorkerSpec
from ldrps_engine.errors import SettingsError

log = logging.getLogger("ldrps.cluster")
PROOF = "seen-by-nodes"
"""Name of the file in a shared spool by which nodes recognise this daemon's spool."""
_LOOK_SECONDS = 2.0


class RayPool:
    """Workers of one daemon in a cluster that it has joined."""

    def __init__(self, config: ServeConfig, spool: Path) -> None:
        """Join the cluster, which takes seconds; LdrpsError says why that is impossible."""
        self.trouble = ""
        self._on_cpu = config.devices == ("cpu",)
        least, _, most = config.gpus.partition("..")
        self._most = None if config.gpus == AUTO else int(most or least)
        self._autoscaling = Autoscaling(int(least), int(most)) if most else None
        self._memory = config.memory_bytes
        self._cluster = config.pool
        self._join()
        self._specs: dict[tuple[str, int], WorkerSpec] = {}
        self.leaving: frozenset[str] = frozenset()
        """Names of workers on nodes that are being drained."""
        self._models = NodeModels()
        self._is_cut_off = False
        self._proof = secrets.token_hex(16)
        self._spool = ""
        try:
            self._check(self._ray.nodes())
            if config.job_store == SHARED:
                self._spool = str(spool)
                (spool / PROOF).write_text(self._proof)
        except BaseException:
            self._ray.shutdown()
            raise

    def _join(self) -> None:
        self._ray: Any = joined(self._cluster)
        self._node = str(self._ray.get_runtime_context().get_node_id())

    async def open(self, on_specs: Callable[[Sequence[WorkerSpec]], None]) -> None:
        """Report the workers that there can be, and keep looking for changes."""
        on_specs(await self._look())
        self._watching = asyncio.get_running_loop().create_task(self._watch(on_specs))

    async def close(self) -> None:
        """Stop watching. Ray cleans up after us when this process ends."""
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        await self._models.forget()

    @property
    def nodes(self) -> Sequence[Node]:
        """Nodes of the cluster."""
        return self._models.nodes

    async def everywhere(self, action: str, model: str, on_progress: OnProgress) -> Sequence[str]:
        """Have a task on each node do it."""
        return await self._models.everywhere(self._ray, action, model, on_progress)

    def want(self, load: Load) -> None:
        """Have the cluster asked for as many GPUs, within the limits given."""
        if self._autoscaling:
            self._autoscaling.want(load)

    async def leave(self) -> None:
        """Leave the cluster."""
        await asyncio.to_thread(self._ray.shutdown)

    async def _watch(self, on_specs: Callable[[Sequence[WorkerSpec]], None]) -> None:
        specs = list(self._specs.values())
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._autoscaling:
                    await asyncio.to_thread(self._autoscaling.ask, self._ray)
                found = await self._look()
                if self._is_cut_off:
                    # What Ray holds here belongs to a node that is no more.
                    on_specs(specs := [])
                    await self._rejoin()
                    continue
            except Exception as error:
                # All stay: workers whose line holds go on without a head that is busy or gone.
                log.warning("the cluster does not list its nodes (%s)", error)
                continue
            if found != specs:
                specs = found
                log.info("the cluster has other workers now", extra={"workers": len(specs)})
                on_specs(specs)

    async def _rejoin(self) -> None:
        """Become a driver on this machine's next node; jobs wait until there is one."""
        self.trouble = "this machine is no node of the Ray cluster any more; run 'ray start' here"
        log.error(self.trouble)
        self._specs = {}
        await self._models.forget()
        await asyncio.to_thread(self._ray.shutdown)
        while True:
            try:
                await asyncio.to_thread(self._join)
                if self._autoscaling:
                    self._autoscaling.forget()
                return log.info("this machine is a node of the cluster again")
            except Exception as error:
                log.warning("%s", error)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> list[WorkerSpec]:
        nodes = await asyncio.to_thread(self._ray.nodes)
        draining = await asyncio.to_thread(self._ray._private.state.state.get_draining_nodes)
        alive = {str(node["NodeID"]) for node in nodes if node.get("Alive")}
        self._is_cut_off = self._node not in alive
        self.leaving = frozenset(
            spec.name for (node, _), spec in self._specs.items() if node in draining
        )
        staying = [node for node in nodes if node["NodeID"] not in draining]
        await self._models.look(self._ray, staying)
        offered = {
            key: node
            for key, node in places_of(staying, on_cpu=self._on_cpu).items()
            if self._models.is_settled(key[0])
        }
        places = chosen(offered, self._specs, self._most)
        self._specs = {key: self._specs.get(key) or self._spec(key, places) for key in places}
        kind = "node with a CPU" if self._on_cpu else "GPU"
        nothing = self._models.trouble or f"the Ray cluster has no {kind} now; jobs wait for one"
        self.trouble = "" if places else nothing
        return list(self._specs.values())

    def _spec(self, key: tuple[str, int], places: Mapping[tuple[str, int], str]) -> WorkerSpec:
        name, (node, index) = places[key], key
        node_device = NodeDevice(
            node, name.partition("/")[0], 0 if self._on_cpu else 1, self._spool, self._proof
        )
        device = "cpu" if self._on_cpu else "cuda:0"
        shown = "cpu" if self._on_cpu else f"cuda:{index}"
        return WorkerSpec(
            name=f"{shown}@{name}",
            device=device,
            launch=functools.partial(RayTransport, self._ray, node_device),
            memory_bytes=self._memory if self._on_cpu else 0,
        )

    def _check(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        found = len(places_of(nodes, on_cpu=False))
        if self._on_cpu or self._autoscaling:
            return
        if self._most is not None and found < self._most:
            raise SettingsError(
                f"gpus is {self._most}, but the Ray cluster has {found}; add nodes, give "
                "--gpus auto, or --device cpu for workers without GPUs"
            )


def places_of(nodes: Iterable[Mapping[str, Any]], *, on_cpu: bool) -> dict[tuple[str, int], str]:
    """List the node and number of each GPU, or one CPU per node, with the node's name."""
    found = {}
    for node in sorted(nodes, key=lambda node: str(node["NodeID"])):
        has = int(node.get("Resources", {}).get("CPU" if on_cpu else "GPU", 0))
        if node.get("Alive"):
            for index in range(min(has, 1) if on_cpu else has):
                found[node["NodeID"], index] = name_of(node)
    return found


def chosen(
    places: Mapping[tuple[str, int], str],
    taken: Mapping[tuple[str, int], WorkerSpec],
    most: int | None,
) -> dict[tuple[str, int], str]:
    """Choose `most` places, those taken already first: their workers are warm."""
    order = sorted(places, key=lambda key: key not in taken)
    return {key: places[key] for key in order[:most]}
