"""Events on a disk that is full, torn or damaged: no number that was seen means anything else."""

import asyncio
import errno
import os

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.eventlog import EventLog, pack, record
from ldrps_engine.errors import LimitError


def step(index):
    return pb.Event(step=pb.Step(index=index, count=99))


def steps(log):
    return [event.step.index for event in log.recover()]


@pytest.fixture
def disk(monkeypatch):
    """Takes only so many bytes of each write, or all of it."""

    class Disk:
        takes = None

    real = os.pwrite

    def pwrite(descriptor, data, offset):
        if Disk.takes is None:
            return real(descriptor, data, offset)
        if not Disk.takes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[: Disk.takes], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return Disk


@pytest.mark.parametrize("takes", [0, 1, 11, 13])
def test_what_a_full_disk_does_not_take_is_seen_by_nobody_until_it_does(tmp_path, disk, takes):
    path = tmp_path / "events"
    log = EventLog(path)
    log.add(step(1))
    disk.takes = takes
    for index in (2, 3, 4):
        log.add(step(index))
    assert (log.last, log.held_back) == (1, 3)
    assert asyncio.run(log.read(2)) is None
    # Killed at this moment, it leaves no more than what was seen.
    assert steps(EventLog(path)) == [1]
    disk.takes = None
    assert log.flush()
    log.add(step(5))
    assert (log.last, log.held_back) == (5, 0)
    assert steps(EventLog(path)) == [1, 2, 3, 4, 5]


def test_an_end_comes_under_the_number_behind_the_last_that_was_seen(tmp_path, disk):
    log = EventLog(tmp_path / "events")
    log.add(step(1))
    disk.takes = 0
    log.add(step(2))
    log.end(pb.Event(done=pb.Done()))
    assert log.last == 2
    assert asyncio.run(log.read(2)).HasField("done")


def test_a_watcher_gets_what_was_held_back_though_nothing_follows(job, disk, monkeypatch):
    monkeypatch.setattr("ldrps_daemon.storage.event_feed._RETRY_SECONDS", 0.01)

    async def main():
        made = job()
        disk.takes = 3
        made.publish(step(1))
        events = made.feed.follow(1, False)
        coming = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        assert not coming.done()
        disk.takes = None
        assert (await coming).step.index == 1
        made.end(pb.Event(done=pb.Done()))
        await events.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("hit", [0, 3, 4, 8, 12, 15])
def test_damage_hides_only_what_it_hit(tmp_path, hit):
    path = tmp_path / "events"
    log = EventLog(path)
    sizes = [0]
    for index in range(1, 9):
        log.add(step(index))
        sizes.append(path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[sizes[3] + hit] ^= 0x40
    path.write_bytes(data)
    heir = EventLog(path)
    assert [event.number for event in heir.recover()] == [1, 2, 3, 5, 6, 7, 8]
    # The number of the lost one stays taken, by an event of no kind that clients ignore.
    lost = asyncio.run(heir.read(4))
    assert (lost.number, lost.WhichOneof("kind")) == (4, None)
    heir.add(step(9))
    assert heir.last == 9
    assert steps(EventLog(path))[-1] == 9


def test_a_wrong_number_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "events"
    path.write_bytes(record(pb.Event(number=1 << 60).SerializeToString()))
    log = EventLog(path)
    assert list(log.recover()) == []
    log.add(step(1))
    assert steps(EventLog(path)) == [1]


def test_a_file_without_marks_is_taken_over(tmp_path):
    path = tmp_path / "events"
    path.write_bytes(pack(pb.Event(number=n, step=pb.Step(index=n)) for n in (1, 2, 3)))
    log = EventLog(path)
    assert steps(log) == [1, 2, 3]
    log.add(step(4))
    assert steps(EventLog(path)) == [1, 2, 3, 4]


@pytest.mark.parametrize(("ended", "fine", "wrong"), [(False, 3, 4), (True, 3, 4)])
def test_a_number_past_the_last_is_an_error_that_says_so(job, ended, fine, wrong):
    async def main():
        made = job()
        for index in (1, 2):
            made.publish(step(index))
        if ended:
            made.end(pb.Event(done=pb.Done()))
        with pytest.raises(LimitError, match=rf"from_event {wrong} is past.*from 1 to {fine}"):
            await anext(made.feed.follow(wrong, False))
        coming = asyncio.ensure_future(anext(made.feed.follow(fine, False)))
        await asyncio.sleep(0.01)
        assert coming.done() is ended
        coming.cancel()

    asyncio.run(main())
