"""Order in which jobs go."""

import asyncio
import contextlib
import random

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.scheduling.fair_queue import FairQueue
from ldrps_engine.settings import Settings

BATCH = {"priority": pb.PRIORITY_BATCH}


class Idle:
    """A worker without work, or a place for one."""

    def __init__(self, *, up=True, models=(), busy=False):
        self.up, self.models, self.busy = up, set(models), busy

    def is_up(self):
        return self.up

    def held(self, job):
        return 0 if self.busy else len(job.models & self.models)


def order(queue):
    return [queue.take() for _ in range(len(queue))]


def test_interactive_before_batch_and_first_come_first_served(job):
    async def main():
        queue = FairQueue(900)
        batch = [job(**BATCH) for _ in range(2)]
        plain = [job(), job(priority=pb.PRIORITY_INTERACTIVE)]
        for each in (batch[0], plain[0], batch[1], plain[1]):
            queue.put(each)
        assert queue.position(batch[1]) == 3
        assert queue.urgent() == 2
        assert queue.drop(plain[0])
        assert not queue.drop(plain[0])
        assert order(queue) == [plain[1], *batch]

    asyncio.run(main())


def test_a_job_that_was_interrupted_comes_before_later_ones(job):
    async def main():
        queue = FairQueue(900)
        first, second = job(**BATCH), job(**BATCH)
        queue.put(second)
        queue.put(first)
        assert list(queue.in_turn()) == [first, second]

    asyncio.run(main())


def test_clients_take_turns(job):
    async def main():
        queue = FairQueue(900)
        many = [job("a") for _ in range(3)]
        few = [job("b"), job("c")]
        for each in (*many, *few):
            queue.put(each)
        assert order(queue) == [many[0], few[0], few[1], many[1], many[2]]
        # Who was served last waits longest, also among those who come anew.
        again = [job("a"), job("b")]
        for each in again:
            queue.put(each)
        assert order(queue) == [again[1], again[0]]

    asyncio.run(main())


def test_a_batch_job_that_waited_long_enough_is_as_urgent_as_any(job):
    async def main():
        queue = FairQueue(60)
        old, new = job("a", **BATCH), job("b")
        old._queued_at -= 61
        queue.put(new)
        queue.put(old)
        assert queue.is_urgent(old)
        assert list(queue.in_turn()) == [old, new]
        # What it waited stays with it over times when it ran.
        old.start()
        assert queue.is_urgent(old)
        old.requeue()
        assert queue.is_urgent(old)

    asyncio.run(main())


async def soon():
    """Let every task get as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_worker_waits_for_somebody_to_come(job):
    async def main():
        queue = FairQueue(900)
        coming = asyncio.create_task(queue.arrival(Idle()))
        await soon()
        assert not coming.done()
        made = job()
        queue.put(made)
        await coming
        assert queue.take() is made
        assert queue.take() is None

    asyncio.run(main())


def test_no_worker_is_started_for_a_job_that_another_one_takes(job):
    async def main():
        queue, started, warm_up = FairQueue(900), [], asyncio.Event()

        async def warm():
            await queue.arrival(Idle())
            queue.take()

        async def cold():
            await queue.arrival(Idle(up=False))
            async with queue.starting():
                started.append(len(queue))
                await warm_up.wait()
                queue.take()

        tasks = [asyncio.create_task(each()) for each in (cold, cold, cold, warm)]
        await soon()
        queue.put(job())
        await soon()
        assert started == []
        for count in (1, 2):
            queue.put(job())
            await soon()
            assert len(started) == count
        assert not queue.spared
        queue.drop(next(queue.in_turn()))
        assert queue.spared
        warm_up.set()
        await soon()
        assert [task.done() for task in tasks].count(False) == 1
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def of_model(job, name):
    made = job()
    made.settings = Settings(model=name)
    return made


async def at_work(queue, worker, took):
    """Take jobs for ever, as whoever attends to a worker does."""
    while True:
        await queue.arrival(worker)
        if made := queue.take():
            took.append((worker, made))


@contextlib.asynccontextmanager
async def workers(queue, *idle):
    """Yield what they take, worker and job."""
    took = []
    tasks = [asyncio.create_task(at_work(queue, worker, took)) for worker in idle]
    await soon()
    yield took
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("turned", [False, True])
def test_a_job_goes_to_the_idle_worker_that_holds_its_model(job, turned):
    async def main():
        queue = FairQueue(900)
        small, large = Idle(models=["bundled"]), Idle(models=["bundled", "sd21"])
        empty = Idle()
        idle = [empty, small, large]
        async with workers(queue, *(reversed(idle) if turned else idle)) as took:
            for name, suitable in (("sd21", [large]), ("bundled", [small, large])) * 2:
                queue.put(made := of_model(job, name))
                await soon()
                ((worker, taken),) = took
                assert taken is made
                assert worker in suitable
                took.clear()

    asyncio.run(main())


def test_of_several_jobs_each_goes_to_its_model_and_their_order_stays(job):
    async def main():
        queue = FairQueue(900)
        one, two = Idle(models=["sd15"]), Idle(models=["sd21"])
        first, second = of_model(job, "sd21"), of_model(job, "sd15")
        async with workers(queue, one, two) as took:
            queue.put(first)
            queue.put(second)
            await soon()
            assert took == [(two, first), (one, second)]

    asyncio.run(main())


def test_a_busy_worker_is_not_waited_for(job):
    async def main():
        queue = FairQueue(900)
        holder, other = Idle(models=["sd21"]), Idle()
        took, released = [], asyncio.Event()

        async def busy():
            await queue.arrival(holder)
            took.append((holder, queue.take()))
            await released.wait()

        holding = asyncio.create_task(busy())
        async with workers(queue, other) as others:
            jobs = [of_model(job, "sd21") for _ in range(3)]
            for each in jobs:
                queue.put(each)
            await soon()
            assert took == [(holder, jobs[0])]
            assert others == [(other, jobs[1]), (other, jobs[2])]
            released.set()
            await holding

    asyncio.run(main())


def test_a_worker_that_is_called_to_something_else_is_not_waited_for(job):
    """Its turn is taken by a command for models, between two jobs."""

    async def main():
        queue = FairQueue(900)
        holder, other = Idle(models=["sd21"], busy=True), Idle()
        left = asyncio.create_task(queue.arrival(holder))
        await soon()
        async with workers(queue, other) as took:
            queue.put(made := of_model(job, "sd21"))
            await soon()
            assert took == [(other, made)]
        await left

    asyncio.run(main())


def test_a_job_left_to_one_that_does_not_come_is_taken_all_the_same(job):
    async def main():
        queue = FairQueue(900)
        looked = []

        class Sleeper(Idle):
            """Holds the model, and is gone by the time it could take the job."""

            def held(self, made):
                looked.append(made)
                return super().held(made)

        gone = Sleeper(models=["sd21"])
        queue._idle.append(gone)
        async with workers(queue, Idle()) as took:
            queue.put(made := of_model(job, "sd21"))
            await soon()
            assert took == []
            await asyncio.sleep(0.3)
            assert [taken for _, taken in took] == [made]
        # It waited for it, and did not ask again and again.
        assert len(looked) == 1

    asyncio.run(main())


def slow_order(jobs, served, urgent):
    """The rule in a few lines, for any number of jobs but slowly."""
    ordered = []
    for wanted in (True, False):
        lanes = {}
        for each in sorted(jobs, key=lambda each: each.order):
            if (each in urgent) is wanted:
                lanes.setdefault(each.client, []).append(each)
        queue = [lanes[client] for client in sorted(lanes, key=lambda c: served.get(c, 0))]
        while queue:
            ordered += [lane.pop(0) for lane in queue]
            queue = [lane for lane in queue if lane]
    return ordered


@pytest.mark.parametrize("seed", range(5))
def test_each_place_is_what_the_order_says(job, seed):
    dice = random.Random(seed)

    async def main():
        queue, inside, served, expected = FairQueue(900), [], {}, []
        for count in range(200):
            act = dice.random()
            if act < 0.6 or not inside:
                inside.append(job(dice.choice("abcde"), **dice.choice([{}, BATCH])))
                queue.put(inside[-1])
            elif act < 0.8:
                gone = dice.choice(inside)
                inside.remove(gone)
                assert queue.drop(gone)
            else:
                taken = queue.take()
                assert taken is expected[0]
                inside.remove(taken)
                served[taken.client] = count + 1
            expected = slow_order(inside, served, [j for j in inside if not j.is_batch])
            assert list(queue.in_turn()) == expected
            assert [queue.position(each) for each in expected] == list(range(len(expected)))
        assert len(queue) == len(inside) > 9

    asyncio.run(main())


def test_a_batch_job_becomes_urgent_while_it_waits(job, monkeypatch):
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)

    async def main():
        nonlocal now
        queue = FairQueue(60)
        old = job("a", **BATCH)
        queue.put(old)
        new = job("b")
        queue.put(new)
        assert queue.take() is new
        queue.put(new)
        assert (queue.urgent(), queue.position(old)) == (1, 1)
        now += 61
        assert (queue.urgent(), queue.position(old)) == (2, 0)
        assert queue.take() is old

    asyncio.run(main())
