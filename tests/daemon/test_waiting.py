"""Who goes next."""

import asyncio

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.waiting import WaitingRoom

BATCH = {"priority": pb.PRIORITY_BATCH}


def order(room):
    async def main():
        return [await room.take() for _ in range(len(room))]

    return main()


def test_interactive_before_batch_and_first_come_first_served(job):
    async def main():
        room = WaitingRoom(900)
        batch = [job(**BATCH) for _ in range(2)]
        plain = [job(), job(priority=pb.PRIORITY_INTERACTIVE)]
        for each in (batch[0], plain[0], batch[1], plain[1]):
            await room.put(each)
        assert room.position(batch[1]) == 3
        assert room.urgent() == 2
        assert room.drop(plain[0])
        assert not room.drop(plain[0])
        assert await order(room) == [plain[1], *batch]

    asyncio.run(main())


def test_a_job_that_was_interrupted_comes_before_later_ones(job):
    async def main():
        room = WaitingRoom(900)
        first, second = job(**BATCH), job(**BATCH)
        await room.put(second)
        await room.put(first)
        assert room.jobs() == [first, second]

    asyncio.run(main())


def test_clients_take_turns(job):
    async def main():
        room = WaitingRoom(900)
        many = [job("a") for _ in range(3)]
        few = [job("b"), job("c")]
        for each in (*many, *few):
            await room.put(each)
        assert await order(room) == [many[0], few[0], few[1], many[1], many[2]]
        # Who was served last waits longest, also among those who come anew.
        again = [job("a"), job("b")]
        for each in again:
            await room.put(each)
        assert await order(room) == [again[1], again[0]]

    asyncio.run(main())


def test_a_batch_job_that_waited_long_enough_is_as_urgent_as_any(job):
    async def main():
        room = WaitingRoom(60)
        old, new = job("a", **BATCH), job("b")
        old._queued_at -= 61
        await room.put(new)
        await room.put(old)
        assert room.is_urgent(old)
        assert room.jobs() == [old, new]
        # What it waited stays with it over times when it ran.
        old.start()
        assert room.is_urgent(old)
        old.requeue()
        assert room.is_urgent(old)

    asyncio.run(main())


def test_taking_waits_for_somebody_to_come(job):
    async def main():
        room = WaitingRoom(900)
        taking = asyncio.create_task(room.take())
        await asyncio.sleep(0)
        assert not taking.done()
        made = job()
        await room.put(made)
        assert await taking is made

    asyncio.run(main())
