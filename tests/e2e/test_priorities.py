"""Jobs that go first, and jobs that yield."""

import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from ldrps_engine.errors import CancelledError, SettingsError
from support.daemon import grey_photo, kinds, layer_bytes, together

pytestmark = pytest.mark.e2e

LONG = {"description": "forever"}


def test_interactive_jobs_go_before_batch_ones(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    batch = daemon.submit(detached=True, priority=pb.PRIORITY_BATCH).job_id
    interactive = daemon.submit(detached=True)
    assert interactive.position == 0
    assert daemon.job(batch).position == 1
    daemon.cancel(running)
    together(
        lambda: list(daemon.watch(batch)),
        lambda: list(daemon.watch(interactive.job_id)),
    )
    assert daemon.job(interactive.job_id).started_at < daemon.job(batch).started_at
    listed = daemon.stub.ListJobs(pb.ListJobsRequest()).jobs
    assert [job.job_id for job in listed] == [interactive.job_id, batch, running]


def test_a_running_batch_job_yields_and_goes_on_later(daemon):
    lingering = {"description": "linger", "steps": 50}
    batch = daemon.submit(settings=lingering, detached=True, priority=pb.PRIORITY_BATCH).job_id
    daemon.running_worker(batch)
    urgent = daemon.submit(settings={"steps": 5}).job_id
    assert kinds(daemon.watch(urgent))[-1] == "done"
    between = daemon.job(batch)
    assert between.state in (pb.JOB_STATE_QUEUED, pb.JOB_STATE_RUNNING)
    assert between.preemptions == 1
    events = list(daemon.watch(batch))
    assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
    # It yields at a step and goes on at the next one: none is done twice.
    reported = [event.step.index for event in events if event.HasField("step")]
    assert [index for index in reported if index > 1] == list(range(2, 51))
    yielded = max(at for at, kind in enumerate(kinds(events)) if kind == "queued")
    first = next(event for event in events[yielded:] if event.HasField("step"))
    assert first.step.index == 2
    assert daemon.status().preemptions == 1
    assert daemon.status().workers[0].pid


def test_an_interactive_job_does_not_yield(daemon):
    first = daemon.submit(settings={"steps": 100}, detached=True).job_id
    daemon.running_worker(first)
    second = daemon.submit(settings={"steps": 5}).job_id
    assert kinds(daemon.watch(second))[-1] == "done"
    assert daemon.job(first).preemptions == 0
    assert daemon.job(first).ended_at <= daemon.job(second).started_at


def test_a_batch_job_is_not_interrupted_for_ever(start_daemon):
    daemon = start_daemon(batch_wait_seconds=0)
    batch = daemon.submit(settings={"steps": 100}, detached=True, priority=pb.PRIORITY_BATCH).job_id
    daemon.running_worker(batch)
    urgent = daemon.submit(settings={"steps": 5}).job_id
    assert kinds(daemon.watch(urgent))[-1] == "done"
    assert daemon.job(batch).preemptions == 0


def test_a_deadline_ends_a_job_that_waits_and_one_that_runs(daemon):
    # Its worker is up, so that the deadline can only pass while it works.
    assert daemon.restores()
    running = daemon.submit(settings=LONG, detached=True, deadline_seconds=4).job_id
    waiting = daemon.submit(detached=True, deadline_seconds=1).job_id
    for job_id in (waiting, running):
        last = list(daemon.watch(job_id))[-1]
        assert "deadline" in last.cancelled.message
    assert daemon.job(waiting).started_at == 0
    assert daemon.job(running).step > 0
    assert daemon.restores()


def test_a_deadline_can_be_given_to_the_library(daemon):
    with Client(daemon.address, autostart=False) as client:
        job_id = client.submit(grey_photo(), description="forever", deadline_seconds=2)
        with pytest.raises(CancelledError, match="its deadline of 2 seconds passed"):
            list(client.watch(job_id))
        with pytest.raises(SettingsError, match="deadline_seconds"):
            client.submit(grey_photo(), deadline_seconds=-1)


def places(events):
    return [event.queued for event in events if event.HasField("queued")]


def test_places_and_estimates_are_reported_as_they_change(daemon):
    assert daemon.restores()
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    daemon.submit(settings={"steps": 20}, detached=True)
    last = daemon.submit(detached=True).job_id
    watch = daemon.watch(last)
    first = next(watch)
    daemon.cancel(running)
    reported = places([first, *watch])
    assert [queued.position for queued in reported] == [1, 0]
    assert reported[0].estimated_seconds > 0
    assert daemon.job(last).estimated_seconds == 0


def test_a_place_that_nobody_looks_at_is_reported_once(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    batch = daemon.submit(detached=True, priority=pb.PRIORITY_BATCH).job_id
    for _ in range(5):
        # Each takes the place before it, and leaves it again.
        daemon.cancel(daemon.submit(detached=True).job_id)
    before = daemon.submit(detached=True).job_id
    seen = daemon.job(batch)
    assert (seen.position, seen.last_event) == (1, 1)
    watch = daemon.watch(batch)
    reported = places([next(watch), next(watch)])
    assert [queued.position for queued in reported] == [0, 1]
    daemon.cancel(before)
    assert next(watch).queued.position == 0
    daemon.cancel(running)
    assert kinds(watch)[-1] == "done"
