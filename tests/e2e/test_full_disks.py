"""A disk without room, or that can only be read: nothing is told before it is written."""

import os
import shlex
import signal
import subprocess
import time

import grpc
import pytest

from e2e.test_durability import FOREVER, INVERTED, OFTEN
from ldrps.v1 import restoration_pb2 as pb
from support.daemon import (
    NOOP,
    command,
    environment,
    kinds,
    layer_bytes,
    no_file_larger,
    wait_until,
)

pytestmark = pytest.mark.e2e

STATES = {
    "done": pb.JOB_STATE_DONE,
    "failed": pb.JOB_STATE_FAILED,
    "cancelled": pb.JOB_STATE_CANCELLED,
    "cancelled, waiting": pb.JOB_STATE_CANCELLED,
}


def about_to_end(daemon, end):
    """Start a job that ends so once `finish` is called; returns its id and `finish`."""
    wanted = {"done": {"steps": 60}, "failed": {"description": "hang", "steps": 60}}
    if end == "cancelled, waiting":
        daemon.running_worker(daemon.submit(settings=FOREVER, detached=True).job_id)
        waiting = daemon.submit(detached=True).job_id
        return waiting, lambda: daemon.cancel(waiting)
    job_id = daemon.submit(settings=wanted.get(end, FOREVER), detached=True).job_id
    if end == "failed":
        assert wait_until(lambda: daemon.job(job_id).step == 2)
        return job_id, lambda: os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    daemon.running_worker(job_id)
    return job_id, lambda: end == "done" or daemon.cancel(job_id)


# Too little for the job's events, and enough for these but not for the journal.
@pytest.mark.parametrize("room", [8, 20_000])
@pytest.mark.parametrize("end", STATES)
def test_an_end_that_the_disk_does_not_take_is_reported_when_it_does(
    start_daemon, succeed, end, room
):
    daemon = start_daemon(max_crashes=1)
    job_id, finish = about_to_end(daemon, end)
    before = daemon.job(job_id).state
    # The worker has room for the result, the daemon for nothing.
    with no_file_larger(daemon.process.pid, room):
        finish()
        assert wait_until(lambda: daemon.status().running == (end == "cancelled, waiting"))
        # Long enough for further tries, all in vain.
        time.sleep(1)
        assert daemon.job(job_id).state == before
        status = daemon.status()
        assert (status.done, status.failed, status.cancelled) == (0, 0, 0)
    events = list(daemon.watch(job_id))
    assert kinds(events)[-1] == end.partition(",")[0]
    heir = succeed(daemon)
    assert list(heir.watch(job_id)) == events
    assert heir.job(job_id).state == STATES[end]
    if end == "done":
        assert layer_bytes(events) == INVERTED


@pytest.mark.parametrize("end", STATES)
def test_an_end_that_never_reached_the_disk_was_reported_to_no_client(start_daemon, succeed, end):
    daemon = start_daemon(max_crashes=1)
    job_id, finish = about_to_end(daemon, end)
    call = daemon.watch(job_id)
    reported = [next(call).number]
    with no_file_larger(daemon.process.pid, 20_000):
        finish()
        assert wait_until(lambda: daemon.status().running == (end == "cancelled, waiting"))
        heir = succeed(daemon, max_crashes=1)
    with pytest.raises(grpc.RpcError) as caught:
        reported.extend(event.number for event in call)
    # Its connection went first, on one side or on the other.
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    # The heir has never heard of an end and brings one about.
    assert heir.job(job_id).last_event >= reported[-1]
    heir.cancel(job_id)
    assert kinds(heir.watch(job_id))[-1] in ("done", "failed", "cancelled")


def test_what_was_seen_while_the_disk_was_full_keeps_its_number(start_daemon, succeed):
    daemon = start_daemon(**OFTEN)
    job_id = daemon.submit(settings={"steps": 1000}, detached=True).job_id
    daemon.running_worker(job_id)
    for room in (100, 1000):
        with no_file_larger(daemon.process.pid, room):
            before = daemon.job(job_id).step
            assert wait_until(lambda b=before: daemon.job(job_id).step > b + 20)
    # Nothing is missing once there is room again.
    last = daemon.job(job_id).last_event
    assert wait_until(lambda: daemon.job(job_id).last_event > last + 20)
    before = []
    for event in daemon.watch(job_id):
        before.append(event)
        if event.number == last + 20:
            break
    heir = succeed(daemon, **OFTEN)
    resumed = heir.watch(job_id, from_event=last + 21)
    assert next(resumed).number == last + 21
    events = []
    for event in heir.watch(job_id):
        events.append(event)
        if len(events) == len(before):
            break
    assert events == before
    heir.cancel(job_id)


def test_a_spool_that_can_only_be_read_is_one_sentence(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    words = command(address=f"unix:{tmp_path}/s", spool=folder, engine=NOOP)
    if os.geteuid():
        folder.chmod(0o500)
    else:
        # Permissions do not hold root back.
        script = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec "
        words = ["unshare", "-m", "sh", "-c", script + shlex.join(words)]
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            pytest.skip("this root may not mount")
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode in (2, 11)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ldrps: folder {folder}")
    assert "cannot be used" in line
