"""Both ends of the line to a node, with real workers and without Ray: tests/cluster has that."""

import asyncio
import functools
import os
import signal
import tempfile
import types
from pathlib import Path
from pickle import PickleBuffer

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.cluster import actor as node
from ldrps_daemon.cluster import file_transfer, transport
from ldrps_daemon.cluster.transport import NodeDevice, RayTransport
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.scheduling.worker_specs import LocalPool, WorkerSpec
from ldrps_daemon.storage.jobs import Job
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import photo_to_wire
from support.daemon import alive, grey_photo

SECONDS = 90
INVERTED = bytes([178]) * (20 * 16 * 3)


def carried(given):
    """Make of a value what Ray makes of it on the other side."""
    if isinstance(given, PickleBuffer):
        return memoryview(bytes(given))
    # Nothing else of ours is pickled.
    assert given is None or isinstance(given, bytes | str)
    return given


class Method:
    def __init__(self, handle, name):
        self._handle, self._name = handle, name

    def remote(self, *arguments):
        # Read at once, as Ray does.
        given = [carried(each) for each in arguments]
        call = asyncio.run_coroutine_threadsafe(self._call(given), self._handle.loop)
        return types.SimpleNamespace(future=lambda: call)

    async def _call(self, arguments):
        answer = asyncio.ensure_future(getattr(self._handle.actor, self._name)(*arguments))
        gone = asyncio.ensure_future(self._handle.gone.wait())
        await asyncio.wait([answer, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if self._handle.gone.is_set():
            answer.cancel()
            raise ConnectionError("the actor died")
        return carried(await answer)


class Handle:
    """An actor in this process."""

    def __init__(self, kind):
        self.actor, self.loop, self.gone = kind(), asyncio.get_running_loop(), asyncio.Event()

    def __getattr__(self, name):
        return Method(self, name)

    def lose(self):
        """Go as a node does: the worker with it."""
        self.gone.set()
        if self.actor._process:
            self.actor._process.end()


class Ray:
    """Stand-in for Ray with as much of it as the transport asks for."""

    util = types.SimpleNamespace(
        scheduling_strategies=types.SimpleNamespace(
            NodeAffinitySchedulingStrategy=lambda name, soft: (name, soft)
        )
    )

    def __init__(self):
        self.handles, self.options = [], []

    def remote(self, kind):
        def options(**given):
            self.options.append(given)
            return types.SimpleNamespace(remote=lambda: self._new(kind))

        return types.SimpleNamespace(options=options)

    def _new(self, kind):
        self.handles.append(Handle(kind))
        return self.handles[-1]

    def kill(self, handle):
        handle.loop.call_soon_threadsafe(handle.lose)


class OneWorker(LocalPool):
    """A pool whose only worker is on a node."""

    def __init__(self, launch):
        super().__init__([], 0)
        self.specs = [WorkerSpec(name="cuda:0@10.0.0.7", device="cuda:0", launch=launch)]


@pytest.fixture
def play(config, tmp_path, monkeypatch):
    """Runs a scene with a dispatcher that has one worker on a node."""
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))

    def run(scene, place=None, **options):
        async def main():
            ray, spool = Ray(), tmp_path / "spool"
            spool.mkdir()
            where = place(spool) if place else NodeDevice("n", "10.0.0.7", 1)
            launch = functools.partial(RayTransport, ray, where)
            pool = OneWorker(launch)
            dispatcher = Dispatcher(config(stop_seconds=1.0, **options), spool, pool)
            await dispatcher.start()
            try:
                async with asyncio.timeout(SECONDS):
                    await scene(dispatcher, ray)
            finally:
                await dispatcher.stop()
                for handle in ray.handles:
                    await handle.actor.end()

        asyncio.run(main())

    return run


async def accepted(dispatcher, **settings):
    raster, data = photo_to_wire(grey_photo())
    header = pb.SubmitHeader(raster=raster, detached=True, settings=pb.Settings(**settings))
    job = Job(header, Settings(**settings), dispatcher.spool)
    with job.folder.make(job.header) as file:
        file.write(data)
    await dispatcher.accept(job)
    return job


async def pixels(job):
    events = [event async for event in job.feed.follow(1, False)]
    assert events[-1].HasField("done"), events[-1]
    return b"".join(e.layer_chunk.data for e in events if e.HasField("layer_chunk"))


async def step(dispatcher, job, beyond):
    while job.saved_step <= beyond:
        await asyncio.sleep(0.01)
    (slot,) = dispatcher.slots
    return slot.to_proto()


def test_a_photo_goes_there_and_its_result_comes_back(play, tmp_path):
    async def scene(dispatcher, ray):
        assert await pixels(await accepted(dispatcher)) == INVERTED
        # The worker stays, and the next job finds nothing of this one.
        assert await pixels(await accepted(dispatcher, description="same")) != INVERTED
        assert len(ray.handles) == 1
        assert ray.options[0]["max_restarts"] == ray.options[0]["max_task_retries"] == 0
        assert ray.options[0]["scheduling_strategy"] == ("n", False)
        (folder,) = (tmp_path / "node").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        # Photos are there no longer than their jobs.
        while list(folder.iterdir()):
            await asyncio.sleep(0.01)
        (slot,) = dispatcher.slots
        assert slot.memory_bytes() > 0
        await slot.stop()
        assert not list((tmp_path / "node").iterdir())

    play(scene)


def test_a_worker_that_dies_there_is_a_crash(play):
    async def scene(dispatcher, ray):
        job = await accepted(dispatcher, steps=80)
        worker = await step(dispatcher, job, beyond=5)
        os.kill(worker.pid, signal.SIGKILL)
        assert await pixels(job) == INVERTED
        assert (job.crashes, job.losses) == (1, 0)
        assert len(ray.handles) == 2

    play(scene, checkpoint_seconds=0)


def test_an_actor_that_is_gone_is_none_and_loses_little(play):
    async def scene(dispatcher, ray):
        job = await accepted(dispatcher, steps=80)
        worker = await step(dispatcher, job, beyond=5)
        saved = job.saved_step
        ray.handles[0].lose()
        assert await pixels(job) == INVERTED
        assert (job.crashes, job.losses) == (0, 1)
        assert not alive(worker.pid)
        assert job.loss_step >= saved

    play(scene, checkpoint_seconds=0)


def test_a_job_is_cancelled_there(play):
    async def scene(dispatcher, ray):
        job = await accepted(dispatcher, description="forever")
        while not job.step.index:
            await asyncio.sleep(0.01)
        (slot,) = dispatcher.slots
        pid = slot.to_proto().pid
        await dispatcher.cancel(job, "by the test")
        while slot.job:
            await asyncio.sleep(0.01)
        assert await pixels(await accepted(dispatcher)) == INVERTED
        assert slot.to_proto().pid == pid

    play(scene)


def test_a_shared_spool_carries_nothing(play, tmp_path):
    def place(spool):
        (spool / "seen-by-nodes").write_text("proof")
        return NodeDevice("n", "10.0.0.7", 1, str(spool), "proof")

    async def scene(dispatcher, ray):
        assert await pixels(await accepted(dispatcher)) == INVERTED
        assert not list((tmp_path / "node").iterdir())

    play(scene, place)


def test_a_spool_that_the_node_does_not_see_makes_jobs_wait_and_says_so(play):
    async def scene(dispatcher, ray):
        job = await accepted(dispatcher)
        await trouble(dispatcher, "10.0.0.7: it does not see the shared spool /nowhere (No such")
        assert job.state == pb.JOB_STATE_QUEUED

    play(scene, lambda _: NodeDevice("n", "10.0.0.7", 1, "/nowhere", "proof"))


def test_another_version_there_makes_jobs_wait_and_says_so(play, monkeypatch):
    monkeypatch.setattr(node, "version", lambda: "0.1.0")
    monkeypatch.setattr(transport, "version", lambda: "0.2.0")

    async def scene(dispatcher, ray):
        job = await accepted(dispatcher)
        await trouble(dispatcher, "10.0.0.7: it has ldrps 0.1.0, the daemon 0.2.0; install the")
        assert job.state == pb.JOB_STATE_QUEUED

    play(scene)


def test_a_node_that_takes_no_photo_makes_the_job_wait(play, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    async def scene(dispatcher, ray):
        monkeypatch.setattr(node.WorkerActor, "_begin", full)
        job = await accepted(dispatcher)
        await trouble(dispatcher, "10.0.0.7: No space left on device")
        monkeypatch.undo()
        assert await pixels(job) == INVERTED
        assert (job.crashes, job.losses) == (0, 0)

    play(scene)


def test_a_node_whose_disk_is_full_half_way_does_not_begin_the_job(play, monkeypatch):
    monkeypatch.setattr(file_transfer, "PIECE_BYTES", 300)
    taken, orders = [], []

    def full(self, piece):
        if bytes(piece[1:2]) == b"p":
            taken.append(bytes(piece[2:3]))
            raise OSError(28, "No space left on device")

    async def scene(dispatcher, ray):
        monkeypatch.setattr(file_transfer.Receiver, "take", full)
        command = node.WorkerActor._command
        monkeypatch.setattr(
            node.WorkerActor,
            "_command",
            lambda self, data: orders.append(data) or command(self, data),
        )
        job = await accepted(dispatcher)
        await trouble(dispatcher, "10.0.0.7: No space left on device")
        assert taken[0] == b"+"
        assert not orders
        monkeypatch.undo()
        assert await pixels(job) == INVERTED
        assert (job.crashes, job.losses) == (0, 0)

    play(scene)


async def trouble(dispatcher, said):
    (slot,) = dispatcher.slots
    while said not in slot.backoff.trouble:
        await asyncio.sleep(0.01)


def test_a_node_that_talks_rubbish_is_left(play):
    async def scene(dispatcher, ray):
        job = await accepted(dispatcher, steps=80)
        await step(dispatcher, job, beyond=3)
        await ray.handles[0].actor._messages.put(b"Fp./etc/passwd")
        assert await pixels(job) == INVERTED
        assert ray.handles[0].gone.is_set()
        assert not Path(dispatcher.spool / job.id / "pixels.part").exists()

    play(scene, checkpoint_seconds=0)
