"""Files of SQLite: all of a transaction or nothing, and each upgrade once."""

import sqlite3

import pytest

from ldrps_wire.database import connect, transaction, upgrade, version_of

STEPS = ("CREATE TABLE a (x INTEGER); CREATE TABLE b (x INTEGER);", "ALTER TABLE a ADD COLUMN y")


@pytest.fixture
def db(tmp_path):
    opened = connect(tmp_path / "db", 0.1)
    yield opened
    opened.close()


def rows(db):
    return db.execute("SELECT x FROM a ORDER BY x").fetchall()


def test_an_upgrade_starts_where_the_last_one_ended(db):
    upgrade(db, STEPS[:1])
    db.execute("INSERT INTO a VALUES (1)")
    upgrade(db, STEPS)
    assert db.execute("SELECT x, y FROM a").fetchall() == [(1, None)]
    assert version_of(db) == 2


def test_a_file_of_a_later_version_is_left_as_it_is(db):
    db.execute("PRAGMA user_version = 7")
    upgrade(db, STEPS)
    assert version_of(db) == 7
    assert not db.execute("SELECT name FROM sqlite_master").fetchall()


def test_an_upgrade_that_fails_leaves_the_former_version_whole(db):
    upgrade(db, STEPS[:1])
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        upgrade(db, (STEPS[0], "ALTER TABLE a ADD COLUMN y; ALTER TABLE c ADD COLUMN y"))
    assert version_of(db) == 1
    db.execute("INSERT INTO a VALUES (3)")
    assert rows(db) == [(3,)]


def test_a_transaction_that_fails_writes_nothing_and_frees_the_lock(db, tmp_path):
    upgrade(db, STEPS)
    other = connect(tmp_path / "db", 0.1)
    with transaction(db):
        db.execute("INSERT INTO a (x) VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(other):
            pass
    with pytest.raises(sqlite3.ProgrammingError), transaction(db):
        db.executemany("INSERT INTO a (x) VALUES (?)", [(3,), (4, 5)])
    with transaction(other):
        other.execute("INSERT INTO a (x) VALUES (2)")
    assert rows(db) == rows(other) == [(1,), (2,)]
    other.close()
