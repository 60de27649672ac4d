"""Jobs whose workers come and go."""

import asyncio

import pytest

from daemon.played_workers import SECONDS, Specs, accepted, ended, finish, first, idle, photo_bytes
from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.scheduling.dispatch import Dispatcher
from ldrps_daemon.scheduling.worker_specs import Load
from ldrps_daemon.storage.spool import write_layers
from ldrps_daemon.workers.pipe import Lost, Paused, Saved
from ldrps_engine.result import Layer
from support.daemon import grey_photo


@pytest.fixture
def play(config, tmp_path):
    """Runs a scene with a daemon's dispatcher and a pool without workers."""

    def run(scene, **options):
        async def main():
            pool = Specs()
            dispatcher = Dispatcher(config(stop_seconds=0.0, **options), tmp_path, pool)
            await dispatcher.start()
            try:
                async with asyncio.timeout(SECONDS):
                    await scene(dispatcher, pool)
            finally:
                await dispatcher.stop()

        asyncio.run(main())

    return run


def test_a_job_waits_for_the_first_worker(play):
    async def scene(dispatcher, pool):
        job = await accepted(dispatcher)
        await asyncio.sleep(0.1)
        assert job.state == pb.JOB_STATE_QUEUED
        events = [event.queued.why async for event in first(job)]
        assert pool.trouble in events[0]
        pool.give("a")
        worker = await pool.worker("a")
        finish(worker, await worker.ordered(), 5)
        assert (await ended(job))[-1].HasField("done")
        assert not list(job.folder.path.glob("attempt-*"))

    play(scene)


def test_a_worker_that_goes_costs_the_work_since_the_checkpoint_and_no_crash(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        worker = await pool.worker("a")
        files = await worker.ordered()
        files.path.mkdir()
        files.checkpoint.write_bytes(b"step 7")
        worker.tell(Saved(7))
        pool.give("b")
        heir = await pool.worker("b")
        assert await heir.ordered() != files
        assert worker.ended
        assert job.folder.checkpoint.read_bytes() == b"step 7"
        assert (job.crashes, job.losses) == (0, 1)
        assert [slot.name for slot in dispatcher.slots] == ["b"]
        finish(heir, await heir.ordered(), 5)
        assert (await ended(job))[-1].HasField("done")

    play(scene)


def test_what_a_lost_worker_says_and_writes_later_counts_for_nothing(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        lost = await pool.worker("a")
        files = await lost.ordered()
        del pool.workers["a"]
        lost.tell(Lost())
        heir = await pool.worker("a")
        mine = await heir.ordered()
        mine.path.mkdir()
        mine.checkpoint.write_bytes(b"heir")
        heir.tell(Saved(3))
        # The line is back, and it has heard of nothing.
        files.path.mkdir()
        files.checkpoint.write_bytes(b"lost")
        lost.tell(Saved(9))
        finish(lost, files, 200)
        await asyncio.sleep(0.1)
        assert not job.ended
        assert job.saved_step == 3
        assert job.folder.checkpoint.read_bytes() == b"heir"
        finish(heir, mine, 5)
        events = await ended(job)
        assert events[-1].HasField("done")
        (chunk,) = [event.layer_chunk for event in events if event.HasField("layer_chunk")]
        assert set(chunk.data) == {5}
        assert job.folder.result.stat().st_size == len(photo_bytes())

    play(scene)


def test_a_photo_that_takes_every_machine_with_it_fails_at_last(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        for _ in range(5):
            worker = await pool.worker("a")
            await worker.ordered()
            del pool.workers["a"]
            worker.tell(Lost())
        failed = (await ended(job))[-1].failed
        assert failed.reason == "internal"
        assert "5 machines were lost in a row" in failed.message

    play(scene)


def test_a_result_that_is_not_there_is_one_sentence(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        worker = await pool.worker("a")
        files = await worker.ordered()
        files.path.mkdir()
        (header,) = write_layers(files.result, [Layer("restored", grey_photo())])
        files.result.write_bytes(b"half")
        worker.tell(pb.Event(layer_header=header))
        worker.tell(pb.Event(done=pb.Done()))
        assert "did not come into the spool whole" in (await ended(job))[-1].failed.message

    play(scene)


def test_a_worker_that_is_drained_is_left_at_the_next_checkpoint_and_nothing_is_lost(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        worker = await pool.worker("a")
        files = await worker.ordered()
        pool.leaving = ("a",)
        pool.give("b")
        while worker.orders[-1]["do"] != "pause":
            await asyncio.sleep(0.01)
        waiting = await accepted(dispatcher)
        heir = await pool.worker("b")
        # It goes on until it has a checkpoint.
        assert not worker.ended
        assert job.state == pb.JOB_STATE_RUNNING
        files.path.mkdir()
        files.checkpoint.write_bytes(b"step 7")
        worker.tell(Saved(7))
        worker.tell(Paused())
        while not worker.ended:
            await asyncio.sleep(0.01)
        for _ in (waiting, job):
            finish(heir, await heir.ordered(), 5)
            heir.orders.clear()
        assert (await ended(job))[-1].HasField("done")
        assert (await ended(waiting))[-1].HasField("done")
        assert (job.crashes, job.losses, job.preemptions, job.saved_step) == (0, 0, 0, 7)
        assert "a" not in [slot.name for slot in dispatcher.slots]

    play(scene)


def test_a_node_that_is_lost_while_it_is_drained_costs_the_work_since_the_checkpoint(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        job = await accepted(dispatcher)
        worker = await pool.worker("a")
        await worker.ordered()
        pool.leaving = ("a",)
        pool.give("b")
        worker.tell(Lost())
        heir = await pool.worker("b")
        finish(heir, await heir.ordered(), 5)
        assert (await ended(job))[-1].HasField("done")
        assert (job.crashes, job.losses) == (0, 1)

    play(scene)


def test_a_stop_ends_what_a_drained_worker_still_does(play):
    left = []

    async def scene(dispatcher, pool):
        pool.give("a")
        await accepted(dispatcher)
        worker = await pool.worker("a")
        await worker.ordered()
        pool.leaving = ("a",)
        pool.give()
        await asyncio.sleep(0.05)
        left.append(worker)

    play(scene)
    assert left[0].ended


def test_the_pool_hears_what_waits(play):
    async def scene(dispatcher, pool):
        pool.give("a")
        await accepted(dispatcher)
        worker = await pool.worker("a")
        await worker.ordered()
        await accepted(dispatcher)
        await accepted(dispatcher, pb.PRIORITY_BATCH)
        assert pool.load == Load(running=1, urgent=1, later=1)

    play(scene)


def test_an_idle_worker_that_goes_ends_its_worker(play):
    async def scene(dispatcher, pool):
        pool.give("a", "b")
        job = await accepted(dispatcher)
        worker = await pool.worker("a")
        finish(worker, await worker.ordered(), 5)
        await ended(job)
        pool.give("b")
        while not worker.ended:
            await asyncio.sleep(0.01)
        again = await accepted(dispatcher)
        heir = await pool.worker("b")
        finish(heir, await heir.ordered(), 5)
        assert (await ended(again))[-1].HasField("done")

    play(scene)


def test_a_job_goes_to_the_idle_worker_that_holds_its_model_on_any_pool(play):
    held = {"a": ["bundled"], "b": ["bundled", "sd21"]}

    async def scene(dispatcher, pool):
        pool.give("a", "b")
        for _ in held:
            await accepted(dispatcher)
        workers = {name: await pool.worker(name) for name in held}
        for name, models in held.items():
            finish(workers[name], await workers[name].ordered(), 5)
            workers[name].tell(pb.Worker(state=pb.WORKER_STATE_IDLE, models=models))
            workers[name].orders.clear()
        for _ in range(3):
            await idle(dispatcher)
            job = await accepted(dispatcher, model="sd21")
            finish(workers["b"], await workers["b"].ordered(), 5)
            workers["b"].orders.clear()
            assert (await ended(job))[-1].HasField("done")
        await idle(dispatcher)
        # While that one works, the other one takes what it has never held.
        for name in ("b", "a"):
            await accepted(dispatcher, model="sd21")
            await workers[name].ordered()

    play(scene)
