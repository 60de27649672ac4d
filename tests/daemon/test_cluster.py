"""Knowledge of a Ray cluster without one: see tests/cluster for the real thing."""

import asyncio
import sys
from concurrent import futures
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest

from ldrps_daemon.cluster import actor, autoscaling, connection, pool
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.worker_specs import Load
from ldrps_engine.errors import AccessError, SettingsError, UnavailableError
from support.daemon import free_port

TOKEN = "0123456789abcdef"


@contextmanager
def head(asks_for):
    """Something that answers as the head of a cluster does; yields its address."""

    def answer(_, context):
        given = dict(context.invocation_metadata()).get("authorization")
        if asks_for and given != f"Bearer {asks_for}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        return b""

    methods = {"CheckAlive": grpc.unary_unary_rpc_method_handler(answer)}
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        service = grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", methods)
        server.add_generic_rpc_handlers([service])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def test_the_right_token_is_let_in():
    with head(TOKEN) as address:
        connection.check_head(address, TOKEN)


def test_a_wrong_token_is_one_sentence():
    with (
        head(TOKEN) as address,
        pytest.raises(AccessError, match=f"{address} does not take this daemon's token; give"),
    ):
        connection.check_head(address, "wrong")


def test_a_cluster_that_takes_everybody_is_not_joined():
    with (
        head("") as address,
        pytest.raises(AccessError, match=r"without a token.*start all of its nodes with RAY_AUTH"),
    ):
        connection.check_head(address, TOKEN)


def test_a_head_that_does_not_answer_is_one_sentence():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match=f"no Ray head answers at {address}; start one"):
        connection.check_head(address, TOKEN)


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_no_token_is_one_sentence(no_settings, tmp_path):
    no_settings.setitem(sys.modules, "ray", type(sys)("ray"))
    with pytest.raises(AccessError, match=r"no token for the Ray cluster; give its token in RAY_"):
        connection.joined("ray://127.0.0.1:1")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(f"{TOKEN}\n")
    assert connection._token() == TOKEN
    no_settings.setenv("RAY_AUTH_TOKEN", "other")
    assert connection._token() == "other"


def test_no_ray_is_one_sentence(no_settings):
    no_settings.setitem(sys.modules, "ray", None)
    with pytest.raises(UnavailableError, match=r"not installed; run pip install 'ldrps\[daemon,"):
        connection.joined("ray")


def test_a_daemon_without_a_token_is_refused(no_settings):
    no_settings.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(SettingsError, match=r"RAY_AUTH_MODE is 'disabled'.*set it to 'token'"):
        connection.joined("ray")


def test_other_versions_are_one_sentence():
    # As Ray 2.60 says it.
    said = "Version mismatch: The cluster was started with:\n    Ray: 2.61.0\n    Python: 3.12.1\n"
    reported = str(connection._refusal("h:1", RuntimeError(said)))
    assert "h:1 has other versions than this daemon" in reported
    assert "Ray: 2.61.0 Python: 3.12.1" in reported
    assert "\n" not in reported


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pool": "slurm"}, "pool 'slurm' is not known; use local"),
        ({"pool": "ray://head"}, "pool 'ray://head' is not known"),
        ({"pool": "ray://:6379"}, "is not known"),
        ({"pool": "ray", "gpus": "0"}, "gpus is '0'; use auto, a number"),
        ({"pool": "ray", "gpus": "-1"}, "gpus is '-1'"),
        (
            {"pool": "ray", "gpus": "4..2"},
            "gpus is '4..2'; use auto, .* or limits",
        ),
        ({"pool": "ray", "gpus": "0..0"}, "gpus is '0..0'"),
        ({"pool": "ray", "gpus": "1.."}, "gpus is '1..'"),
        ({"pool": "ray", "gpus": "1..2", "devices": ("cpu",)}, "with --device cpu nothing uses"),
        ({"gpus": "2"}, "gpus says something about a Ray cluster"),
        ({"job_store": "shared"}, "job_store says something about a Ray cluster"),
        ({"pool": "ray", "job_store": "ftp"}, "job_store 'ftp' is not known"),
        ({"pool": "ray", "devices": ("cuda:1",)}, "devices is cuda:1, but a Ray cluster chooses"),
    ],
)
def test_impossible_pools_are_refused(options, said):
    with pytest.raises(SettingsError, match=said):
        ServeConfig(**options)


def node(name, *, alive=True, **has):
    return {"NodeID": name, "Alive": alive, "Resources": has, "NodeManagerAddress": f"of {name}"}


NODES = [node("b", GPU=2.0, CPU=8.0), node("a", CPU=4.0), node("c", alive=False, GPU=4.0)]


def test_each_gpu_of_a_node_that_lives_is_a_place():
    assert pool.places_of(NODES, on_cpu=False) == {("b", 0): "of b/b", ("b", 1): "of b/b"}
    assert pool.places_of(NODES, on_cpu=True) == {("a", 0): "of a/a", ("b", 0): "of b/b"}


def test_places_with_warm_workers_are_kept_before_others():
    places = pool.places_of([node("a", GPU=2), node("b", GPU=2)], on_cpu=False)
    assert list(pool.chosen(places, {("b", 1): None}, 2)) == [("b", 1), ("a", 0)]
    assert pool.chosen(places, {}, None) == places


def test_workers_of_a_node_that_is_drained_are_left(monkeypatch, tmp_path):
    nodes, draining, asked = [node("a", GPU=1), node("b", GPU=1)], {}, []
    ray = SimpleNamespace(
        nodes=lambda: nodes,
        get_runtime_context=lambda: SimpleNamespace(get_node_id=lambda: "a"),
        shutdown=lambda: None,
        _private=SimpleNamespace(
            state=SimpleNamespace(state=SimpleNamespace(get_draining_nodes=lambda: dict(draining)))
        ),
        autoscaler=SimpleNamespace(sdk=SimpleNamespace(request_resources=asked.append)),
    )
    monkeypatch.setattr(pool, "joined", lambda _: ray)
    monkeypatch.setattr(pool, "_LOOK_SECONDS", 0.01)
    monkeypatch.setenv("LDRPS_MODELS", str(tmp_path / "models"))
    reported = []

    async def scene():
        specs = pool.RayPool(ServeConfig(pool="ray"), tmp_path)
        await specs.open(
            lambda found: reported.append((specs.leaving, [each.name for each in found]))
        )
        draining["b"] = 0
        while len(reported) < 2:
            await asyncio.sleep(0.01)
        await specs.close()

    asyncio.run(scene())
    assert reported == [
        (frozenset(), ["cuda:0@of a/a", "cuda:0@of b/b"]),
        (frozenset({"cuda:0@of b/b"}), ["cuda:0@of a/a"]),
    ]
    # Without limits nothing is asked for.
    assert not asked


def test_more_gpus_than_the_cluster_has_are_one_sentence(monkeypatch, tmp_path):
    ray = SimpleNamespace(
        nodes=lambda: NODES,
        get_runtime_context=lambda: SimpleNamespace(get_node_id=lambda: "a"),
        shutdown=lambda: None,
    )
    monkeypatch.setattr(pool, "joined", lambda _: ray)
    with pytest.raises(SettingsError, match=r"gpus is 3, but the Ray cluster has 2; add nodes"):
        pool.RayPool(ServeConfig(pool="ray", gpus="3"), tmp_path)
    # An autoscaler brings what is not there yet.
    pool.RayPool(ServeConfig(pool="ray", gpus="3..9"), tmp_path)


@pytest.mark.parametrize(
    ("load", "gpus"),
    [
        (Load(0, 0, 0), 1),
        (Load(2, 0, 0), 2),
        # Each that is urgent at once, others eight together.
        (Load(2, 3, 0), 5),
        (Load(2, 0, 1), 3),
        (Load(2, 1, 17), 6),
        (Load(0, 500, 500), 12),
    ],
)
def test_a_cluster_is_asked_for_as_many_gpus_as_the_queue_wants(load, gpus):
    asked = []
    ray = SimpleNamespace(
        autoscaler=SimpleNamespace(
            sdk=SimpleNamespace(request_resources=lambda bundles: asked.append(bundles))
        )
    )
    scaling = autoscaling.Autoscaling(1, 12)
    scaling.want(load)
    scaling.ask(ray)
    assert asked == [[{"GPU": 1}] * gpus]
    # Only what is new is told, and all of it to another cluster.
    scaling.ask(ray)
    assert len(asked) == 1
    scaling.forget()
    scaling.ask(ray)
    assert len(asked) == 2


def test_a_shared_folder_that_a_node_does_not_see_is_named(tmp_path):
    assert actor._unseen("", "proof") == ""
    assert f"does not see the shared spool {tmp_path} (No such" in actor._unseen(
        str(tmp_path), "proof"
    )
    (tmp_path / "seen-by-nodes").write_text("of another daemon")
    assert "is not the shared spool of the daemon" in actor._unseen(str(tmp_path), "proof")
    (tmp_path / "seen-by-nodes").write_text("proof")
    assert actor._unseen(str(tmp_path), "proof") == ""
