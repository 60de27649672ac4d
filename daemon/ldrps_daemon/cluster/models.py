"""Models on the nodes of a Ray cluster: each node gets those that the front has, once.

A node's workers are offered when it has them, or when it is known that it cannot get them now; then
it is asked again later, and jobs that need one of them end there with the engine's own sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ldrps_daemon import clock
from ldrps_daemon.cluster.node_models import on_node, place_of
from ldrps_daemon.cluster.transport import cannot_import, words_of
from ldrps_daemon.scheduling.worker_specs import Node, OnProgress
from ldrps_engine.errors import LdrpsError
from ldrps_engine.model_store import store
from ldrps_engine.model_store.catalogue import BUNDLED, catalogue

log = logging.getLogger("ldrps.cluster")
_AGAIN_SECONDS = 300.0


@dataclass(kw_only=True)
class _Node:
    id: str
    """Ray's id of it."""
    name: str
    models: set[str] = field(default_factory=set)
    """Models that are known to be there as they are here."""
    whys: dict[str, str] = field(default_factory=dict)
    """Reason why a model is not, or is not right."""
    fetching: str = ""
    is_settled: bool = False
    """True once workers there may be offered."""
    again_at: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    bringing: asyncio.Task[None] | None = None

    def shown(self) -> Node:
        trouble = f"is fetching model {self.fetching}" if self.fetching else ""
        return Node(self.name, tuple(sorted(self.models)), trouble or "; ".join(self.whys.values()))

    def is_free(self) -> bool:
        """Tell whether something may be brought to it now."""
        is_busy = self.bringing and not self.bringing.done()
        return not is_busy and not self.turn.locked() and clock.now() >= self.again_at

    def stop(self) -> asyncio.Task[None] | None:
        """Stop the transfer to this node; returns the task to wait for."""
        if self.bringing:
            self.bringing.cancel()
        return self.bringing


class NodeModels:
    """Nodes of one cluster and their models. Lives in the front's event loop."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, for display."""
        # Metrics are scraped in another thread.
        return tuple(node.shown() for node in list(self._nodes.values()))

    @property
    def trouble(self) -> str:
        """Reason why workers are held back; empty: none are."""
        for node in self._nodes.values():
            if not node.is_settled and node.fetching:
                return f"node {node.name} is fetching model {node.fetching}"
        return ""

    def is_settled(self, node: str) -> bool:
        """Tell whether workers of the node with this id may be offered."""
        return node in self._nodes and self._nodes[node].is_settled

    async def look(self, ray: Any, nodes: Iterable[Mapping[str, Any]]) -> None:
        """Take note of the nodes that there are, and bring them what they lack, without waiting."""
        names = {str(node["NodeID"]): name_of(node) for node in nodes if node.get("Alive")}
        for gone in self._nodes.keys() - names.keys():
            self._nodes.pop(gone).stop()
        wanted = await asyncio.to_thread(installed)
        for key, name in names.items():
            node = self._nodes.setdefault(key, _Node(id=key, name=name))
            node.models &= wanted
            node.whys = {model: why for model, why in node.whys.items() if model in wanted}
            if not (lacking := wanted - node.models):
                node.is_settled = True
            elif node.is_free():
                work = self._bring(ray, node, sorted(lacking))
                node.bringing = asyncio.get_running_loop().create_task(work)

    async def everywhere(
        self, ray: Any, action: str, model: str, on_progress: OnProgress
    ) -> list[str]:
        """Do with a model on each node what was done with it here; see `worker_specs.Pool`."""
        request = await _request(action, model)
        loop = asyncio.get_running_loop()
        asked = [
            loop.create_task(self._ask(ray, node, action, model, request, on_progress))
            for node in self._nodes.values()
        ]
        try:
            return [why for why in await asyncio.gather(*asked) if why]
        finally:
            for each in asked:
                each.cancel()

    async def forget(self) -> None:
        """Stop all transfers, and forget all nodes."""
        stopped = [task for node in self._nodes.values() if (task := node.stop())]
        self._nodes = {}
        await asyncio.gather(*stopped, return_exceptions=True)

    async def _bring(self, ray: Any, node: _Node, models: Iterable[str]) -> None:
        for model in models:
            try:
                request = await _request("pull", model)
                why = await self._ask(ray, node, "pull", model, request, lambda *_: None)
            except LdrpsError as error:
                why = str(error)
            if why:
                log.warning("a node is used without a model: %s", why)
                node.again_at = clock.now() + _AGAIN_SECONDS
        node.is_settled = True

    async def _ask(
        self,
        ray: Any,
        node: _Node,
        action: str,
        model: str,
        request: bytes,
        on_progress: OnProgress,
    ) -> str:
        """Have one node do it, and return why it could not; empty if it could."""
        async with node.turn:
            node.fetching = model if action == "pull" else ""
            try:
                why = await _asked(ray, node, request, on_progress)
            except LdrpsError:
                raise
            except Exception as error:
                why = cannot_import(error) or words_of(error)
            finally:
                node.fetching = ""
        if action == "remove" or (why and action == "pull"):
            node.models.discard(model)
        elif not why:
            node.models.add(model)
        node.whys.pop(model, None)
        if why:
            node.whys[model] = why
        return f"node {node.name}: {why}" if why else ""


def installed() -> set[str]:
    """Names of the models that the front's machine has, but for the bundled one."""
    return {name for name in catalogue() if name != BUNDLED and store.is_installed(name)}


def name_of(node: Mapping[str, Any]) -> str:
    """Name of a node for people: nodes of one machine have its address in common."""
    return f"{node['NodeManagerAddress']}/{str(node['NodeID'])[:8]}"


async def _request(action: str, model: str) -> bytes:
    """Return the question for a node."""
    here: dict[str, object] = {}
    if action != "remove":
        manifest = await asyncio.to_thread(store.read_manifest, model)
        here = {
            "revision": manifest.revision if manifest else "",
            "hash": await asyncio.to_thread(store.weights_hash, model),
            "file": await asyncio.to_thread(place_of, model),
        }
    return json.dumps({"do": action, "name": model} | here).encode()


async def _asked(ray: Any, node: _Node, request: bytes, on_progress: OnProgress) -> str:
    """Run the task on a node to its end."""
    strategies = ray.util.scheduling_strategies
    task = ray.remote(on_node).options(
        scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(node.id, soft=False),
        num_cpus=0,
        max_retries=0,
        num_returns="streaming",
    )
    answers = task.remote(request)
    said: dict[str, Any] = {}
    try:
        async for answer in answers:
            said = json.loads(await answer)
            if "why" not in said:
                file = f": {said['file']}" if said["file"] else ""
                on_progress(f"node {node.name}{file}", said["done"], said["total"])
    except BaseException:
        # It is not waited for any more; what has come stays, and the next one goes on with it.
        with contextlib.suppress(Exception):
            ray.cancel(answers, force=True)
        raise
    return str(said.get("why", "it broke off"))
