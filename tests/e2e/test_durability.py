"""Accepted means kept: jobs outlive workers and daemons, and end once with the right pixels."""

import os
import signal
import sqlite3
import time

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_engine.photo import Photo
from support.daemon import (
    ROOT,
    kinds,
    layer_bytes,
    wait_until,
)

pytestmark = pytest.mark.e2e

INVERTED = bytes([178]) * (20 * 16 * 3)
OFTEN = {"checkpoint_seconds": 0}
FOREVER = {"description": "forever"}
# Stays at its first step until another worker goes on from there.
LINGERING = {"description": "linger", "steps": 60}


def steps(events):
    return [event.step.index for event in events if event.HasField("step")]


def after_the_break(events):
    """Return the events after the job waited for the second time."""
    first, second = (at for at, kind in enumerate(kinds(events)) if kind == "queued")
    assert first == 0
    return events[second:]


def test_a_killed_worker_costs_no_step_that_was_saved(start_daemon):
    daemon = start_daemon(**OFTEN)
    job_id = daemon.submit(settings=LINGERING, detached=True).job_id
    os.kill(daemon.running_worker(job_id), signal.SIGKILL)
    events = list(daemon.watch(job_id))
    assert steps(after_the_break(events)) == list(range(2, 61))
    assert kinds(events).count("diagnosis") == 1
    assert layer_bytes(events) == INVERTED


def test_a_checkpoint_counts_towards_the_spool_until_its_job_ends(start_daemon, succeed):
    daemon = start_daemon(**OFTEN)
    job_id = daemon.submit(settings=LINGERING, detached=True).job_id
    daemon.running_worker(job_id)
    (checkpoint,) = daemon.spool.glob(f"*/{job_id}/checkpoint")
    # The photo, the result that is to come, and the next checkpoint beside this one.
    room = 2 * len(INVERTED) + 2 * checkpoint.stat().st_size
    assert room > 2 * len(INVERTED)
    assert wait_until(lambda: daemon.status().spool_bytes == room)
    heir = succeed(daemon, **OFTEN)
    assert kinds(heir.watch(job_id))[-1] == "done"
    assert wait_until(lambda: heir.status().spool_bytes == len(INVERTED))


def test_a_running_job_outlives_the_daemon(start_daemon, succeed):
    daemon = start_daemon(**OFTEN)
    job_id = daemon.submit(settings=LINGERING, detached=True).job_id
    before = []
    for event in daemon.watch(job_id):
        before.append(event)
        if len(steps(before)) == 2:
            break
    heir = succeed(daemon)
    events = list(heir.watch(job_id))
    # What was seen before is told again, word for word, under the same numbers.
    assert events[: len(before)] == before
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert steps(after_the_break(events)) == list(range(2, 61))
    assert kinds(events)[-1] == "done"
    assert layer_bytes(events) == INVERTED
    assert heir.job(job_id).state == pb.JOB_STATE_DONE


def test_waiting_jobs_keep_their_order(start_daemon, succeed):
    daemon = start_daemon(**OFTEN)
    ids = [daemon.submit(settings={"steps": 30}, detached=True).job_id for _ in range(4)]
    heir = succeed(daemon)
    for job_id in ids:
        assert kinds(heir.watch(job_id))[-1] == "done"
    started = [heir.job(job_id).started_at for job_id in ids]
    assert started == sorted(started)


def test_results_and_keys_outlive_the_daemon(start_daemon, succeed):
    daemon = start_daemon()
    first = daemon.submit(idempotency_key="once")
    events = list(daemon.watch(first.job_id))
    heir = succeed(daemon)
    assert list(heir.watch(first.job_id)) == events
    again = heir.submit(idempotency_key="once")
    assert (again.job_id, again.existing) == (first.job_id, True)


def test_a_cancelled_job_stays_cancelled(start_daemon, succeed):
    daemon = start_daemon()
    running = daemon.submit(settings=FOREVER, detached=True).job_id
    waiting = daemon.submit(detached=True).job_id
    os.kill(daemon.running_worker(running), signal.SIGSTOP)
    daemon.cancel(running)
    daemon.cancel(waiting)
    heir = succeed(daemon)
    for job_id in (running, waiting):
        assert wait_until(lambda j=job_id: heir.job(j).state == pb.JOB_STATE_CANCELLED)


def test_attached_jobs_wait_for_their_clients_to_find_the_way_back(start_daemon, succeed):
    daemon = start_daemon()
    job_id = daemon.submit(settings=FOREVER).job_id
    daemon.running_worker(job_id)
    heir = succeed(daemon, reconnect_seconds=3, grace_seconds=0)
    assert heir.job(job_id).state != pb.JOB_STATE_CANCELLED
    assert wait_until(lambda: heir.job(job_id).state == pb.JOB_STATE_CANCELLED)


def test_half_a_photo_leaves_nothing(start_daemon, succeed):
    daemon = start_daemon()
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)

    def half():
        yield pb.SubmitRequest(header=pb.SubmitHeader(raster=raster))
        time.sleep(60)

    call = daemon.stub.Submit.future(half())
    assert wait_until(daemon.kept)
    folder = daemon.kept()[0].parent
    heir = succeed(daemon)
    call.cancel()
    assert not [path for path in folder.iterdir() if path.is_dir()]
    assert heir.restores()


def test_a_photo_that_is_gone_is_one_sentence(start_daemon, succeed):
    daemon = start_daemon()
    running = daemon.submit(settings=FOREVER, detached=True).job_id
    daemon.running_worker(running)
    (pixels,) = daemon.spool.glob("*/*/pixels")
    pixels.unlink()
    last = list(succeed(daemon).watch(running))[-1]
    assert "gone from the spool" in last.failed.message


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, None])
def test_a_header_that_the_disk_damaged_is_written_again(start_daemon, succeed, damage):
    """The worker took it for a failure of the engine."""
    daemon = start_daemon()
    running = daemon.submit(settings=FOREVER, detached=True).job_id
    daemon.running_worker(running)
    waiting = daemon.submit(detached=True).job_id
    (header,) = daemon.spool.glob(f"*/{waiting}/header")
    header.unlink()
    if damage is not None:
        header.write_bytes(damage)
    heir = succeed(daemon)
    heir.cancel(running)
    assert kinds(heir.watch(waiting))[-1] == "done"
    assert not any("Traceback" in line for line in heir.log)


def test_a_journal_that_cannot_be_read_stops_the_start(start_daemon):
    daemon = start_daemon()
    daemon.stop()
    (journal,) = daemon.spool.glob("*/journal.db")
    for path in journal.parent.glob("journal.db-*"):
        path.unlink()
    journal.write_bytes(b"rubbish" * 1000)
    with pytest.raises(AssertionError, match="move its folder away"):
        start_daemon(address=daemon.address, spool=daemon.spool)
    assert journal.read_bytes().startswith(b"rubbish")


def test_the_journal_is_synced_and_private(daemon):
    daemon.submit(detached=True)
    (journal,) = daemon.spool.glob("*/journal.db")
    assert journal.stat().st_mode & 0o077 == 0
    with sqlite3.connect(journal) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_daemon_dying_again_and_again_ends_the_job(start_daemon, succeed):
    daemon = start_daemon(max_crashes=1)
    job_id = daemon.submit(settings=FOREVER, detached=True).job_id
    busy = pb.WORKER_STATE_BUSY
    for _ in range(4):
        # A worker is only asked when it is written down that the job runs.
        assert wait_until(lambda d=daemon: d.status().workers[0].state == busy)
        daemon = succeed(daemon, max_crashes=1)
    last = list(daemon.watch(job_id))[-1]
    assert "the daemon died 4 times" in last.failed.message


def test_the_real_engine_goes_on_with_the_same_bits(start_daemon, succeed):
    from PIL import Image

    with Image.open(ROOT / "examples" / "low-light.jpg") as file:
        photo = Photo.from_samples(np.asarray(file.resize((64, 48))))
    wanted = {"steps": 6, "recurrences": 1, "recipe": "low-light", "seed": 4}
    options = {"engine": "ldrps_engine.restore", **OFTEN}
    daemon = start_daemon(**options)
    undisturbed = layer_bytes(daemon.watch(daemon.submit(photo, settings=wanted).job_id))
    job_id = daemon.submit(photo, settings=wanted, detached=True).job_id
    for at in (2, 4):
        next(event for event in daemon.watch(job_id) if event.step.index == at)
        if at == 2:
            os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    daemon = succeed(daemon, **options)
    events = list(daemon.watch(job_id))
    assert kinds(events)[-1] == "done"
    assert layer_bytes(events) == undisturbed
    # It did go on: 9 steps of sampling and one of transfer, and few of them twice.
    assert len(steps(events)) <= 14
