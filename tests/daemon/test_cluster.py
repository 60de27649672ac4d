"""Knowledge of a Ray cluster without one: see tests/cluster for the real thing."""

import asyncio
import errno
import sys
from concurrent import futures
from contextlib import contextmanager
from pickle import PickleBuffer
from types import SimpleNamespace

import grpc
import pytest

from ldrps_daemon.cluster import actor, autoscaling, carrying, connection, pool
from ldrps_daemon.cluster.carrying import Receiver
from ldrps_daemon.config import ServeConfig
from ldrps_daemon.scheduling.worker_specs import Load
from ldrps_daemon.storage.spool import JobFolder
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
    told = str(connection._refusal("h:1", RuntimeError(said)))
    assert "h:1 has other versions than this daemon" in told
    assert "Ray: 2.61.0 Python: 3.12.1" in told
    assert "\n" not in told


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
    told = []

    async def scene():
        specs = pool.RayPool(ServeConfig(pool="ray"), tmp_path)
        await specs.open(lambda found: told.append((specs.leaving, [each.name for each in found])))
        draining["b"] = 0
        while len(told) < 2:
            await asyncio.sleep(0.01)
        await specs.close()

    asyncio.run(scene())
    assert told == [
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


def test_a_file_comes_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "PIECE_BYTES", 1000)
    here, there = JobFolder(tmp_path / "here"), JobFolder(tmp_path / "there")
    for folder in (here, there):
        folder.path.mkdir()
    for size in (0, 1, 1000, 1001, 5000):
        here.pixels.write_bytes(bytes(range(256)) * 20)
        with here.pixels.open("r+b") as file:
            file.truncate(size)
        receiver = Receiver(there, carrying.TO_NODE, 10_000)
        for piece in carrying.pieces(here, "pixels"):
            receiver.take(piece)
        assert there.pixels.read_bytes() == here.pixels.read_bytes()
    assert [path.name for path in there.path.iterdir()] == ["pixels"]
    assert not list(carrying.pieces(here, "checkpoint"))


def test_messages_come_in_their_order_large_ones_without_being_joined(tmp_path):
    large = bytes(100_000)
    sent = [b"B", b"C1", large, large, b"C2", memoryview(b"C3")]
    blocks = list(carrying.blocks(sent))
    assert [type(block) for block in blocks] == [bytes, PickleBuffer, PickleBuffer, bytes]
    came = [block if isinstance(block, bytes) else memoryview(block) for block in blocks]
    assert [bytes(each) for block in came for each in carrying.unpacked(block)] == sent


@pytest.mark.parametrize("block", [b"x", bytes(9), b"\0\0\0\0\0\0\0\5abc", memoryview(b"")])
def test_what_is_no_block_of_messages_is_refused(block):
    with pytest.raises(ValueError, match="no "):
        list(carrying.unpacked(block))


def test_pieces_that_are_not_kept_share_their_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "PIECE_BYTES", 100)
    folder = JobFolder(tmp_path)
    folder.pixels.write_bytes(bytes(range(250)))
    kept = list(carrying.pieces(folder, "pixels"))
    assert b"".join(piece[3:] for piece in kept) == bytes(range(250))
    passing = carrying.pieces(folder, "pixels", kept=False)
    assert b"".join(bytes(piece[3:]) for piece in passing) == bytes(range(250))
    first, second, _ = carrying.pieces(folder, "pixels", kept=False)
    assert first.obj is second.obj


def test_half_a_file_gets_no_name(tmp_path):
    receiver = Receiver(JobFolder(tmp_path), carrying.TO_FRONT, 100)
    receiver.take(b"Fr+half")
    assert not (tmp_path / "result").exists()
    receiver.close()
    assert not list(tmp_path.iterdir())


def test_a_file_with_a_part_that_found_no_room_gets_no_name(tmp_path, monkeypatch):
    receiver = Receiver(JobFolder(tmp_path), carrying.TO_FRONT, 100)
    with monkeypatch.context() as full:
        full.setattr(carrying.os, "fsync", no_room)
        with pytest.raises(OSError, match="No space"):
            receiver.take(b"Fk.half")
    assert not list(tmp_path.iterdir())
    # The next checkpoint is another file, and the rest of a broken one is not its beginning.
    receiver.take(b"Fk.whole")
    assert (tmp_path / "checkpoint").read_bytes() == b"whole"
    receiver._broken.add("result")
    receiver.take(b"Fr+of the broken one")
    receiver.take(b"Fr.its end")
    assert not (tmp_path / "result").exists()
    receiver.take(b"Fr.new")
    assert (tmp_path / "result").read_bytes() == b"new"


def no_room(_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (b"Fp.pixels of the front", "no piece"),
        (b"F/.x", "no piece"),
        (b"Rr.x", "no piece"),
        (b"Fr?x", "no piece"),
        (b"F", "no piece"),
        (b"Fr." + bytes(101), "more than 100 bytes"),
    ],
)
def test_a_node_that_talks_rubbish_writes_nothing(tmp_path, piece, said):
    with pytest.raises(ValueError, match=said):
        Receiver(JobFolder(tmp_path), carrying.TO_FRONT, 100).take(piece)
    assert not list(tmp_path.iterdir())


def test_checkpoints_take_each_others_place(tmp_path):
    receiver = Receiver(JobFolder(tmp_path), carrying.TO_FRONT, 100)
    for number in range(9):
        receiver.take(b"Fk." + bytes([number]) * 60)
    assert (tmp_path / "checkpoint").read_bytes() == bytes([8]) * 60


def test_a_shared_folder_that_a_node_does_not_see_is_named(tmp_path):
    assert actor._unseen("", "proof") == ""
    assert f"does not see the shared spool {tmp_path} (No such" in actor._unseen(
        str(tmp_path), "proof"
    )
    (tmp_path / "seen-by-nodes").write_text("of another daemon")
    assert "is not the shared spool of the daemon" in actor._unseen(str(tmp_path), "proof")
    (tmp_path / "seen-by-nodes").write_text("proof")
    assert actor._unseen(str(tmp_path), "proof") == ""


def test_what_actors_left_that_were_killed_goes_from_a_node(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone, other = tmp_path / f"ldrps-node-{2**22 + 1}-x", tmp_path / "ldrps-node-of-somebody"
    for folder in (gone, other):
        folder.mkdir()
    mine = actor._own_folder()
    assert actor._own_folder() != mine
    assert mine.stat().st_mode & 0o777 == 0o700
    assert mine.exists()
    assert other.exists()
    assert not gone.exists()
