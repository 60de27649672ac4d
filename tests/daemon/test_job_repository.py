"""Order of the writes: events are written before they are told, accepted jobs are never lost."""

import asyncio
import time

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.storage import repository
from ldrps_daemon.storage.eventlog import pack
from ldrps_daemon.storage.journal import Journal
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_engine.errors import InternalError
from support.journals import PIXELS, in_journal, lost, seen

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)
DONE = pb.Event(done=pb.Done())


def full(monkeypatch):
    """A disk that takes nothing for the journal until the list that it returns is empty."""
    left, real = [1], Journal.update

    async def update(self, *rows):
        if left:
            raise InternalError("the journal cannot be written (database or disk is full)")
        await real(self, *rows)

    monkeypatch.setattr(Journal, "update", update)
    monkeypatch.setattr(repository, "_FIRST_PAUSE", 0.01)
    return left


def test_no_end_is_reported_before_it_is_written(keep, accepted, monkeypatch):
    name = accepted()
    left = full(monkeypatch)

    async def end(made, jobs):
        (one,) = jobs
        reported = []
        made.on_end.append(reported.append)
        await made.end(one, DONE)
        await asyncio.sleep(0.05)
        # Nobody has heard of it, and the photo is there for a daemon that would have to go on.
        assert (one.ended, reported, made.counts.done) == (False, [], 0)
        assert one.folder.is_whole(len(PIXELS))
        # Another end that comes meanwhile does not count.
        await made.end(one, pb.Event(cancelled=pb.Cancelled()))
        left.clear()
        while not one.ended:
            await asyncio.sleep(0.01)
        assert (one.state, reported, made.counts.done) == (pb.JOB_STATE_DONE, [one], 1)
        assert not one.folder.pixels.exists()

    keep(end)

    async def look(made, jobs):
        assert jobs == []
        assert made.index.get(name).state == pb.JOB_STATE_DONE

    keep(look)


def test_jobs_under_former_names_go_on_and_stay_ended(keep, accepted, spool):
    waiting = accepted(settings=pb.Settings(layers=["restored", "invented", "toned"]))
    headers = tuple(
        pb.LayerHeader(layer=index, name=name, raster=RASTER)
        for index, name in enumerate(("restored", "invented"))
    )

    async def end(made, one):
        one.folder.result.write_bytes(2 * PIXELS)
        await made.end(one, DONE, StoredLayers(one.folder.result, headers))

    done = accepted(end)
    assert b"invented" in in_journal(spool, "SELECT header FROM jobs WHERE id = ?", waiting)[0][0]
    assert b"invented" in in_journal(spool, "SELECT layers FROM jobs WHERE id = ?", done)[0][0]

    async def look(made, jobs):
        (one,) = jobs
        assert one.id == waiting
        assert list(one.header.settings.layers) == ["restored", "generated", "tone-mapped"]
        ended = made.index.get(done)
        assert ended.state == pb.JOB_STATE_DONE
        assert [header.name for header in ended.log.layers.headers] == ["restored", "generated"]
        assert ended.log.layers.is_whole()

    keep(look)
    assert not lost(spool)


def test_a_job_whose_end_was_never_written_goes_on(keep, accepted, monkeypatch):
    name = accepted()
    with monkeypatch.context() as patch:
        full(patch)

        async def end(made, jobs):
            await made.end(jobs[0], DONE)

        keep(end)
    assert keep(seen) == [name]


def test_a_result_that_is_gone_is_one_sentence(keep, accepted):
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)

    async def end(made, one):
        one.folder.result.write_bytes(PIXELS)
        stored = StoredLayers(one.folder.result, (pb.LayerHeader(raster=raster),))
        await made.end(one, DONE, stored)
        one.folder.result.write_bytes(PIXELS[:-1])

    name = accepted(end)

    async def look(made, jobs):
        one = made.index.get(name)
        return one.state, one.message

    state, message = keep(look)
    assert state == pb.JOB_STATE_FAILED
    assert "result is gone" in message


def test_a_clock_that_is_set_makes_nothing_expire(keep, accepted, monkeypatch):
    ended = accepted(lambda made, one: made.end(one, DONE))
    waiting = accepted(deadline_seconds=3600)
    year = time.time() + 365 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: year)

    async def look(made, jobs):
        await made.sweep()
        assert [one.id for one in jobs] == [waiting]
        assert 3500 < jobs[0].deadline_left() < 3600
        assert jobs[0].waited() < 60
        return made.index.get(ended).state

    assert keep(look, keep_seconds=3600) == pb.JOB_STATE_DONE


def test_a_large_checkpoint_takes_the_room_of_kept_results(keep, accepted):
    async def end(made, one):
        one.folder.result.write_bytes(PIXELS)
        stored = StoredLayers(one.folder.result, (pb.LayerHeader(raster=RASTER),))
        await made.end(one, DONE, stored)

    first, second = accepted(end), accepted(end)
    accepted()

    async def look(made, jobs):
        (one,) = jobs
        before = made.index.stored_bytes()
        assert {each.id for each in made.index.newest(9)} == {first, second, one.id}
        one.folder.checkpoint.write_bytes(bytes(2000))
        one.weigh_checkpoint()
        assert made.index.stored_bytes() == before + 4000 - len(PIXELS)
        return {each.id for each in made.index.newest(9)} - {one.id}

    assert keep(look, spool_bytes=7800) == {second}


def test_what_has_ended_expires_over_a_restart(keep, accepted, monkeypatch):
    accepted(lambda made, one: made.end(one, DONE))
    now = clock.now() + 3601
    monkeypatch.setattr(clock, "now", lambda: now)

    async def look(made, _):
        await made.sweep()
        return made.index.newest(9)

    assert keep(look, keep_seconds=3600) == []


def test_after_a_reboot_only_the_wall_knows_of_deadlines(keep, accepted, monkeypatch):
    ended = accepted(lambda made, one: made.end(one, DONE))
    waiting = accepted(deadline_seconds=3600)
    began = time.time()
    monkeypatch.setattr(clock, "boot", lambda: "another")
    monkeypatch.setattr(clock, "now", lambda: 5.0)
    monkeypatch.setattr(time, "time", lambda: began + 1800)

    async def look(made, jobs):
        await made.sweep()
        assert jobs[0].deadline_left() == pytest.approx(1800, abs=60)
        # Nobody knows how long the machine was off, so it is kept for as long as any.
        assert made.index.get(ended).ended_tick == 5.0
        return jobs[0].id

    assert keep(look, keep_seconds=60) == waiting
    # And from now on it is known.
    monkeypatch.setattr(clock, "now", lambda: 66.0)

    async def swept(made, _):
        await made.sweep()
        return [one.id for one in made.index.newest(9)]

    assert keep(swept, keep_seconds=60) == [waiting]


def test_layers_whose_headers_are_damaged_are_moved_aside(keep, accepted, spool):
    name = accepted(lambda made, one: made.end(one, DONE))
    layers = pack([pb.Event(layer_header=pb.LayerHeader(name="restored"))])
    in_journal(spool, "UPDATE jobs SET layers = ?", layers[:-2])
    keep(seen)
    assert lost(spool) == [name]
