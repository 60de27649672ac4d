"""Order of the writes: events are written before they are told, accepted jobs are never lost."""

import asyncio
import errno
import json
import os
import random
import shutil
import sqlite3
import time

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon import clock
from ldrps_daemon.storage import repository
from ldrps_daemon.storage.eventlog import pack
from ldrps_daemon.storage.journal import Journal
from ldrps_daemon.storage.recovery import LOST
from ldrps_daemon.storage.repository import JOURNAL, JobRepository
from ldrps_daemon.storage.spool import StoredLayers
from ldrps_engine.errors import InternalError

PIXELS = b"x" * (20 * 16 * 3)
RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)
DONE = pb.Event(done=pb.Done())


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def keep(config, spool):
    """Runs something with the repository of a daemon that has taken up what lies in the spool."""

    def run(work, **options):
        async def main():
            made = JobRepository(config(**options), spool)
            try:
                return await work(made, await made.recover())
            finally:
                await made.close()

        return asyncio.run(main())

    return run


@pytest.fixture
def accepted(keep, job, spool):
    """Makes jobs that a daemon before has accepted; `work` may do more with each."""

    def make(work=None, **header):
        async def accept(made, _):
            one = job(**header)
            one.folder.remove()
            one.folder = type(one.folder)(spool / one.id)
            one._set_up_log()
            with one.folder.make(one.header) as file:
                file.write(PIXELS)
            await made.accept(one)
            one.publish(pb.Event(queued=pb.Queued()))
            if work:
                await work(made, one)
            return one.id

        return keep(accept)

    return make


def in_journal(spool, words, *values):
    with sqlite3.connect(spool / JOURNAL) as db:
        found = db.execute(words, values).fetchall()
    db.close()
    return found


def lost(spool):
    return sorted(path.name for path in (spool / LOST).glob("*"))


async def seen(_, jobs):
    return [one.id for one in jobs]


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


def test_an_end_is_not_told_before_it_is_written(keep, accepted, monkeypatch):
    name = accepted()
    left = full(monkeypatch)

    async def end(made, jobs):
        (one,) = jobs
        told = []
        made.on_end.append(told.append)
        await made.end(one, DONE)
        await asyncio.sleep(0.05)
        # Nobody has heard of it, and the photo is there for a daemon that would have to go on.
        assert (one.ended, told, made.counts.done) == (False, [], 0)
        assert one.folder.is_whole(len(PIXELS))
        # Another end that comes meanwhile does not count.
        await made.end(one, pb.Event(cancelled=pb.Cancelled()))
        left.clear()
        while not one.ended:
            await asyncio.sleep(0.01)
        assert (one.state, told, made.counts.done) == (pb.JOB_STATE_DONE, [one], 1)
        assert not one.folder.pixels.exists()

    keep(end)

    async def look(made, jobs):
        assert jobs == []
        assert made.index.get(name).state == pb.JOB_STATE_DONE

    keep(look)


def test_jobs_under_former_names_go_on_and_stay_ended(keep, accepted, spool):
    waiting = accepted(settings=pb.Settings(layers=["restored", "invented"]))
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
        assert list(one.header.settings.layers) == ["restored", "generated"]
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


def test_a_lost_journal_costs_no_photo(keep, accepted, spool):
    waiting = accepted()
    ended = accepted(lambda made, one: made.end(one, pb.Event(failed=pb.Failed(message="x"))))
    for path in spool.glob(JOURNAL + "*"):
        path.unlink()
    half = spool / "0123456789abcdef"
    half.mkdir()
    header = pb.SubmitHeader(raster=pb.Raster(width=20, height=16, channels=3, sample_type=1))
    (half / "header").write_bytes(header.SerializeToString())
    (half / "pixels").write_bytes(PIXELS[:-1])
    assert keep(seen) == []
    assert lost(spool) == sorted([waiting, ended])
    assert (spool / LOST / waiting / "pixels").read_bytes() == PIXELS
    # What came in half was never accepted.
    assert not half.exists()


WRONG = {
    "header": b"\xff\xff",
    "header ": "text",
    "submitted_at": "yesterday",
    "waited": float("inf"),
    "crashes": "many",
    "running": 1.5,
    "client": b"\xff",
    "ending": b"",
    "ending ": pb.Event(number=3).SerializeToString(),
    "ending  ": pb.Event(step=pb.Step()).SerializeToString(),
    "ending   ": b"\xff\xff",
}


@pytest.mark.parametrize("column", WRONG)
def test_a_row_that_cannot_be_read_is_moved_aside_with_its_photo(keep, accepted, spool, column):
    damaged, other = accepted(idempotency_key="key"), accepted()
    in_journal(spool, f"UPDATE jobs SET {column.strip()} = ? WHERE id = ?", WRONG[column], damaged)
    assert keep(seen) == [other]
    assert lost(spool) == [damaged]
    assert (spool / LOST / damaged / "pixels").read_bytes() == PIXELS
    assert json.loads((spool / LOST / damaged / "row.json").read_text())["id"] == damaged
    # Its key is free again, and the next start has nothing to complain of.
    again = accepted(idempotency_key="key")
    assert keep(seen) == [other, again]


def test_a_row_cannot_lead_out_of_the_spool(keep, accepted, spool, tmp_path):
    accepted()
    beside = tmp_path / "beside"
    beside.mkdir()
    in_journal(spool, "UPDATE jobs SET id = '../beside'")
    assert keep(seen) == []
    assert beside.exists()
    assert len(lost(spool)) == 2


def test_what_cannot_be_moved_stays(keep, accepted, spool):
    damaged = accepted()
    in_journal(spool, "UPDATE jobs SET header = ?", b"\xff\xff")
    (spool / LOST).write_bytes(b"in the way")
    assert keep(seen) == []
    assert (spool / damaged / "pixels").read_bytes() == PIXELS
    (spool / LOST).unlink()
    keep(seen)
    assert lost(spool) == [damaged]


@pytest.mark.parametrize("marks", ["rubbish", "[1]", "5", '["a"]', "[NaN]", "null", "[" * 9999])
def test_damaged_measurements_are_not_heeded(keep, accepted, spool, marks):
    accepted()
    in_journal(spool, "INSERT INTO timings VALUES ('k', 5, 2.5, 0, ?)", marks)
    in_journal(spool, "INSERT INTO timings VALUES ('k', 'x', 'y', 0, '[]')")
    in_journal(spool, "INSERT INTO timings VALUES ('k', 1000000, 2.5, 0, '[]')")

    async def look(made, jobs):
        assert len(jobs) == 1
        return made.estimator.seconds("k", 10**6)

    assert keep(look) == pytest.approx(2.5)


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


@pytest.mark.parametrize("damage", ["rubbish", "table", "page"])
def test_a_damaged_journal_stops_the_start_and_stays(keep, accepted, spool, damage):
    for _ in range(3):
        accepted()
    path = spool / JOURNAL
    in_journal(spool, "PRAGMA wal_checkpoint(TRUNCATE)")
    if damage == "table":
        in_journal(spool, "DROP TABLE jobs")
    else:
        data = bytearray(path.read_bytes())
        if damage == "rubbish":
            data = bytearray(b"rubbish" * 1000)
        else:
            data[4096:] = os.urandom(len(data) - 4096)
        path.write_bytes(data)
    before = path.read_bytes()
    with pytest.raises(InternalError, match=r"journal.db cannot be read .*move its folder away"):
        keep(seen)
    if damage != "table":
        assert path.read_bytes() == before
    assert len([each for each in spool.iterdir() if each.is_dir()]) == 3


def flipped(data, dice):
    for _ in range(dice.randint(1, 20)):
        data[dice.randrange(len(data))] = dice.randrange(256)


def cut_off(data, dice):
    del data[dice.randrange(len(data)) :]


def taken_out(data, dice):
    start = dice.randrange(len(data))
    del data[start : start + dice.randint(1, 4096)]


def overwritten(data, dice):
    start, size = dice.randrange(len(data)), dice.randint(1, 600)
    data[start : start + size] = dice.randbytes(size)


@pytest.mark.parametrize("damage", [flipped, cut_off, taken_out, overwritten])
def test_whatever_is_damaged_no_accepted_photo_is_gone(keep, accepted, spool, damage):
    """The daemon knows it, or has moved it aside, or does not start and has touched nothing."""
    photos = [accepted(idempotency_key=f"{n}") for n in range(4)]
    whole = (spool / JOURNAL).read_bytes()
    dice = random.Random(damage.__name__)
    for _ in range(40):
        data = bytearray(whole)
        damage(data, dice)
        (spool / JOURNAL).write_bytes(data)
        try:
            known = keep(seen)
        except InternalError:
            known = []
        for name in photos:
            places = [spool / name, *(spool / LOST).glob(f"{name}*")]
            assert any((place / "pixels").exists() for place in places)
            assert name in known or (spool / LOST / name).exists() or (spool / name).exists()
        for path in spool.glob(f"{JOURNAL}-*"):
            path.unlink()
        for name in lost(spool):
            if not (spool / name).exists() and name in photos:
                (spool / LOST / name).rename(spool / name)
        shutil.rmtree(spool / LOST, ignore_errors=True)


def test_a_schema_that_is_no_text_is_a_sentence(keep, accepted, spool):
    accepted()
    path = spool / JOURNAL
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE timings", b"CREATE \xffABLE timings"))
    with pytest.raises(InternalError, match=r"cannot be read .*move its folder away"):
        keep(seen)


def test_a_journal_that_can_only_be_read_is_a_sentence(spool, monkeypatch):
    def chmod(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.chmod", chmod)
    with pytest.raises(InternalError, match=r"written \(Read-only file system\).*--spool"):
        Journal(spool / JOURNAL)


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
