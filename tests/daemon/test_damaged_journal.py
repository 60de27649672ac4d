"""Journals that are lost, damaged or cannot be written: no accepted photo is ever deleted."""

import errno
import json
import os
import random
import shutil

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_daemon.storage.journal import Journal
from ldrps_daemon.storage.recovery import LOST
from ldrps_daemon.storage.repository import JOURNAL
from ldrps_engine.errors import InternalError
from support.journals import PIXELS, in_journal, lost, seen


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
