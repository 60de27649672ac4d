"""Records that a later daemon reads again."""

import asyncio

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.eventlog import EventLog, pack, unpack
from ldrps_daemon.storage.journal import Journal
from ldrps_daemon.storage.recovery import recovered
from ldrps_daemon.storage.rows import Row, Timing
from ldrps_engine.errors import InternalError

RASTER = pb.Raster(width=20, height=16, channels=3, sample_type=1)


def row(name, **more):
    return Row(id=name, key="", client="pid 1", header=b"h", submitted_at=5.0, **more)


def journalled(path, work):
    async def main():
        journal = Journal(path)
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def test_rows_come_back_as_they_were_in_order(tmp_path):
    path = tmp_path / "j"
    rows = [row("b"), row("a", crashes=2, cancelling="why", ending=b"e", layers=b"l")]

    async def write(journal):
        for each in rows:
            await journal.accept(each)

    journalled(path, write)
    assert journalled(path, Journal.rows) == rows
    changed = row("b", waited=3.5, running=1)
    journalled(path, lambda journal: journal.update(changed))
    assert journalled(path, Journal.rows) == [changed, rows[1]]
    journalled(path, lambda journal: journal.forget(["b"]))
    assert journalled(path, Journal.rows) == [rows[1]]


def test_what_is_written_is_synced(tmp_path):
    def pragma(name):
        words = f"PRAGMA {name}"
        return journalled(
            tmp_path / "j", lambda journal: journal._do(lambda db: db.execute(words).fetchone()[0])
        )

    full = 2
    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", full)


def test_a_key_is_taken_once(tmp_path):
    async def twice(journal):
        for name in ("a", "b"):
            await journal.accept(Row(**vars(row(name)) | {"key": "k"}))

    with pytest.raises(InternalError, match="cannot be written"):
        journalled(tmp_path / "j", twice)
    # And the transaction that failed is in nobody's way.
    journalled(tmp_path / "j", lambda journal: journal.accept(row("c")))


def test_what_large_rows_took_is_given_back(tmp_path):
    path = tmp_path / "j"
    large = [Row(**vars(row(f"{n:x}")) | {"header": bytes(3 << 20)}) for n in range(12)]

    async def look(journal):
        ended = [Row(**vars(each) | {"header": b"h", "ending": b"e"}) for each in large[:6]]
        for each in large:
            await journal.accept(each)
        await journal.update(*ended)
        assert [len(found.header) for found in await journal.rows()] == [1] * 6 + [3 << 20] * 6
        await journal.forget(each.id for each in large)
        sizes = [each.stat().st_size for each in tmp_path.glob("j*")]
        # The log is cut back with the first write after its last page has come into the file.
        assert sum(sizes) < 48 << 20
        await journal.accept(row("new"))

    journalled(path, look)
    assert path.stat().st_size < 1 << 20


def test_timings_are_kept_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("ldrps_daemon.storage.journal._TIMINGS_KEPT", 3)
    timings = [Timing(kind="k", pixels=n, seconds=n, marks=(0.5, *[n] * 9)) for n in range(5)]

    async def write(journal):
        for timing in timings:
            await journal.measured(timing)
        return await journal.timings()

    assert journalled(tmp_path / "j", write) == timings[2:]


def test_the_journal_of_the_version_before_is_taken_over(tmp_path):
    import sqlite3

    path = tmp_path / "j"
    journalled(path, lambda journal: journal.accept(row("a")))
    with sqlite3.connect(path) as db:
        db.executescript(
            "ALTER TABLE timings DROP COLUMN marks; ALTER TABLE jobs DROP COLUMN boot;"
            "ALTER TABLE jobs DROP COLUMN submitted_tick; ALTER TABLE jobs DROP COLUMN ended_tick;"
            "ALTER TABLE jobs RENAME COLUMN memory_saving TO economy;"
            "PRAGMA user_version = 1;"
            "INSERT INTO timings VALUES ('k', 5, 2.5, 0)"
        )
    db.close()

    async def all_of_it(journal):
        await journal.measured(Timing(kind="k", pixels=6, seconds=3.5, marks=(1.0,) * 10))
        return [found.id for found in await journal.rows()], await journal.timings()

    assert journalled(path, all_of_it) == (
        ["a"],
        [
            Timing(kind="k", pixels=5, seconds=2.5),
            Timing(kind="k", pixels=6, seconds=3.5, marks=(1.0,) * 10),
        ],
    )


def test_another_versions_journal_is_left_alone(tmp_path):
    import sqlite3

    path = tmp_path / "j"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(InternalError, match="another version"):
        Journal(path)


def test_events_are_read_up_to_where_the_daemon_died(tmp_path):
    path = tmp_path / "events"
    log = EventLog(path)
    for index in (1, 2, 3):
        log.add(pb.Event(step=pb.Step(index=index)))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        heir = EventLog(path)
        known = list(heir.recover())
        assert [event.number for event in known] == list(range(1, len(known) + 1))
        heir.add(pb.Event(step=pb.Step(index=9)))
        assert [e.step.index for e in EventLog(path).recover()][-1] == 9
    assert list(unpack(pack(known))) == known


def test_rubbish_in_the_events_ends_them(tmp_path):
    path = tmp_path / "events"
    path.write_bytes(pack([pb.Event(number=1)]) + b"\x02\x00\x00\x00\xff\xff")
    assert len(list(EventLog(path).recover())) == 1
    assert list(EventLog(tmp_path / "none").recover()) == []


def test_a_job_is_recovered_as_it_was_left(job, tmp_path):
    async def main():
        made = job("pid 7", raster=RASTER, priority=pb.PRIORITY_BATCH, deadline_seconds=9)
        made.publish(pb.Event(diagnosis=pb.Diagnosis(words="dark")))
        made.publish(pb.Event(step=pb.Step(index=4, count=9)))
        made.start()
        made.crashes, made.memory_saving, made.preemptions = 1, 1, 2
        heir = recovered(made.row(), tmp_path)
        assert heir.state == pb.JOB_STATE_QUEUED
        assert (heir.id, heir.client, heir.is_batch) == (made.id, "pid 7", True)
        assert (heir.crashes, heir.memory_saving, heir.preemptions) == (1, 1, 2)
        assert (heir.interruptions, heir.step.index) == (1, 4)
        assert heir.deadline_at == made.submitted_at + 9
        # It finds out the same about the photo again, which nobody needs to hear twice.
        heir.publish(pb.Event(diagnosis=pb.Diagnosis(words="dark")))
        assert heir.log.last == 2
        return heir

    asyncio.run(main())


def test_the_key_of_a_job_that_has_ended_is_free(tmp_path):
    ended = Row(**vars(row("a", ending=b"e")) | {"key": "k"})
    anew = Row(**vars(row("b")) | {"key": "k"})

    async def both(journal):
        await journal.accept(ended)
        await journal.accept(anew)
        return await journal.rows()

    assert journalled(tmp_path / "j", both) == [anew]
