"""Order in which jobs go."""

import asyncio
import random

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.scheduling.fair_queue import FairQueue

BATCH = {"priority": pb.PRIORITY_BATCH}


def order(queue):
    return [queue.take() for _ in range(len(queue))]


def test_interactive_before_batch_and_first_come_first_served(job):
    async def main():
        queue = FairQueue(900)
        batch = [job(**BATCH) for _ in range(2)]
        plain = [job(), job(priority=pb.PRIORITY_INTERACTIVE)]
        for each in (batch[0], plain[0], batch[1], plain[1]):
            await queue.put(each)
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
        await queue.put(second)
        await queue.put(first)
        assert list(queue.in_turn()) == [first, second]

    asyncio.run(main())


def test_clients_take_turns(job):
    async def main():
        queue = FairQueue(900)
        many = [job("a") for _ in range(3)]
        few = [job("b"), job("c")]
        for each in (*many, *few):
            await queue.put(each)
        assert order(queue) == [many[0], few[0], few[1], many[1], many[2]]
        # Who was served last waits longest, also among those who come anew.
        again = [job("a"), job("b")]
        for each in again:
            await queue.put(each)
        assert order(queue) == [again[1], again[0]]

    asyncio.run(main())


def test_a_batch_job_that_waited_long_enough_is_as_urgent_as_any(job):
    async def main():
        queue = FairQueue(60)
        old, new = job("a", **BATCH), job("b")
        old._queued_at -= 61
        await queue.put(new)
        await queue.put(old)
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
        coming = asyncio.create_task(queue.arrival(lambda: True))
        await soon()
        assert not coming.done()
        made = job()
        await queue.put(made)
        await coming
        assert queue.take() is made
        assert queue.take() is None

    asyncio.run(main())


def test_no_worker_is_started_for_a_job_that_another_one_takes(job):
    async def main():
        queue, started, warm_up = FairQueue(900), [], asyncio.Event()

        async def warm():
            await queue.arrival(lambda: True)
            queue.take()

        async def cold():
            await queue.arrival(lambda: False)
            async with queue.starting():
                started.append(len(queue))
                await warm_up.wait()
                queue.take()

        tasks = [asyncio.create_task(each()) for each in (cold, cold, cold, warm)]
        await soon()
        await queue.put(job())
        await soon()
        assert started == []
        for count in (1, 2):
            await queue.put(job())
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
                await queue.put(inside[-1])
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
        await queue.put(old)
        new = job("b")
        await queue.put(new)
        assert queue.take() is new
        await queue.put(new)
        assert (queue.urgent(), queue.position(old)) == (1, 1)
        now += 61
        assert (queue.urgent(), queue.position(old)) == (2, 0)
        assert queue.take() is old

    asyncio.run(main())
