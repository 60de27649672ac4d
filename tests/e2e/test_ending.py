"""Jobs that do not end well: cancelled, crashed, refused by the engine, left alone."""

import os
import resource
import signal
import time

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import (
    alive,
    kinds,
    layer_bytes,
    no_file_larger,
    wait_until,
)

pytestmark = pytest.mark.e2e

LONG = {"description": "forever"}


def test_cancels_a_running_job_within_one_step(daemon):
    job_id = daemon.submit(settings={"steps": 1000}).job_id
    events = daemon.watch(job_id)
    at_cancel = 0
    for event in events:
        if event.step.index == 3:
            daemon.cancel(job_id)
            at_cancel = daemon.job(job_id).step
    assert event.HasField("cancelled")
    # One step may be under way, and one may be on its way here.
    assert daemon.job(job_id).step <= at_cancel + 2
    assert daemon.restores()


def test_cancels_a_job_that_waits(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    waiting = daemon.submit(detached=True).job_id
    assert daemon.cancel(waiting).state == pb.JOB_STATE_CANCELLED
    assert kinds(daemon.watch(waiting)) == ["queued", "cancelled"]
    daemon.cancel(running)
    assert kinds(daemon.watch(running))[-1] == "cancelled"
    assert daemon.cancel(running).state == pb.JOB_STATE_CANCELLED


def test_killed_worker_costs_one_attempt(start_daemon):
    daemon = start_daemon(checkpoint_seconds=0)
    job_id = daemon.submit(settings={"description": "linger"}, detached=True).job_id
    os.kill(daemon.running_worker(job_id), signal.SIGKILL)
    events = list(daemon.watch(job_id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert kinds(events).count("queued") == 2
    assert kinds(events)[-1] == "done"
    assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)


def test_a_worker_that_dies_idle_is_replaced(daemon):
    assert daemon.restores()
    os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    assert wait_until(lambda: daemon.status().workers[0].state == pb.WORKER_STATE_ASLEEP)
    assert daemon.restores()


def test_a_job_that_kills_two_workers_fails(daemon):
    job_id = daemon.submit(settings={"description": "die"}).job_id
    last = list(daemon.watch(job_id))[-1]
    assert last.failed.reason == "internal"
    assert "died twice" in last.failed.message
    assert daemon.restores()


def test_cancel_counts_when_the_worker_dies(daemon):
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    pid = daemon.running_worker(job_id)
    os.kill(pid, signal.SIGSTOP)
    daemon.cancel(job_id)
    os.kill(pid, signal.SIGKILL)
    assert kinds(daemon.watch(job_id))[-1] == "cancelled"


@pytest.mark.parametrize(
    ("description", "reason"), [("raise", "internal"), ("refuse", "model"), ("memory", "limit")]
)
def test_engine_errors_reach_the_client_as_one_sentence(daemon, description, reason):
    job_id = daemon.submit(settings={"description": description}).job_id
    failed = list(daemon.watch(job_id))[-1].failed
    assert failed.reason == reason
    assert "Traceback" not in failed.message
    assert "\n" not in failed.message
    assert daemon.restores()


def test_an_engine_that_cannot_be_loaded_fails_the_job(start_daemon):
    daemon = start_daemon(engine="support.no_such_engine")
    failed = list(daemon.watch(daemon.submit().job_id))[-1].failed
    assert failed.reason == "internal"
    assert "install" in failed.message


def test_too_few_descriptors_make_jobs_wait(daemon):
    pid, kind = daemon.process.pid, resource.RLIMIT_NOFILE
    before = resource.prlimit(pid, kind)
    jobs = [daemon.submit(detached=True).job_id for _ in range(3)]
    for job_id in jobs:
        assert kinds(daemon.watch(job_id))[-1] == "done"
    os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    assert wait_until(lambda: daemon.status().workers[0].state == pb.WORKER_STATE_ASLEEP)
    jobs = [daemon.submit(settings=LONG, detached=True).job_id]
    daemon.running_worker(jobs[0])
    jobs += [daemon.submit(detached=True).job_id for _ in range(3)]
    # From now on the daemon has what it has open, and not one more.
    resource.prlimit(pid, kind, (len(os.listdir(f"/proc/{pid}/fd")), before[1]))
    os.kill(daemon.status().workers[0].pid, signal.SIGKILL)
    assert wait_until(lambda: "open files" in daemon.status().workers[0].trouble)
    assert [daemon.job(job_id).state for job_id in jobs] == [pb.JOB_STATE_QUEUED] * 4
    resource.prlimit(pid, kind, before)
    daemon.cancel(jobs[0])
    for job_id in jobs[1:]:
        assert kinds(daemon.watch(job_id))[-1] == "done"


def test_a_worker_that_hangs_is_killed(start_daemon):
    daemon = start_daemon(hang_seconds=2)
    job_id = daemon.submit(settings={"description": "hang"}).job_id
    failed = list(daemon.watch(job_id))[-1].failed
    assert "died twice" in failed.message
    assert daemon.restores()


def test_a_worker_that_does_not_hear_a_cancel_is_killed(start_daemon):
    daemon = start_daemon(cancel_seconds=0.5)
    job_id = daemon.submit(settings={"description": "hang"}, detached=True).job_id
    assert wait_until(lambda: daemon.job(job_id).step == 2)
    time.sleep(0.5)
    pid = daemon.status().workers[0].pid
    daemon.cancel(job_id)
    assert kinds(daemon.watch(job_id))[-1] == "cancelled"
    assert wait_until(lambda: not alive(pid))
    assert daemon.restores()


def test_attached_job_goes_with_its_client(start_daemon):
    daemon = start_daemon(grace_seconds=0.2)
    attached = daemon.submit(settings=LONG).job_id
    call = daemon.watch(attached)
    next(call)
    call.cancel()
    assert wait_until(lambda: daemon.job(attached).state == pb.JOB_STATE_CANCELLED)
    never_watched = daemon.submit(settings=LONG).job_id
    assert wait_until(lambda: daemon.job(never_watched).state == pb.JOB_STATE_CANCELLED)


def test_detached_job_stays(start_daemon):
    daemon = start_daemon(grace_seconds=0.05)
    job_id = daemon.submit(settings={"steps": 50}, detached=True).job_id
    assert wait_until(lambda: daemon.job(job_id).state == pb.JOB_STATE_DONE)


def test_idle_worker_exits_and_comes_back(start_daemon):
    daemon = start_daemon(idle_seconds=0.2)
    assert daemon.restores()
    assert wait_until(lambda: daemon.status().workers[0].state == pb.WORKER_STATE_ASLEEP)
    assert daemon.status().workers[0].pid == 0
    assert daemon.restores()


def test_results_are_swept(start_daemon):
    daemon = start_daemon(max_kept_jobs=1)
    first = daemon.submit().job_id
    list(daemon.watch(first))
    assert daemon.restores()
    assert wait_until(lambda: len(daemon.stub.ListJobs(pb.ListJobsRequest()).jobs) == 1)
    with pytest.raises(grpc.RpcError) as caught:
        daemon.job(first)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_worker_without_work_rests_before_it_leaves(start_daemon):
    daemon = start_daemon(rest_seconds=0.1, idle_seconds=600)
    assert daemon.restores()
    resting = pb.WORKER_STATE_RESTING
    assert wait_until(lambda: daemon.status().workers[0].state == resting)
    pid = daemon.status().workers[0].pid
    assert daemon.restores()
    assert daemon.status().workers[0].pid == pid


def test_memory_goes_with_the_worker(start_daemon):
    daemon = start_daemon(idle_seconds=0.2)
    assert daemon.restores()
    assert wait_until(lambda: daemon.status().workers[0].memory_bytes == 0)
    assert daemon.status().workers[0].pid == 0


def test_too_little_memory_is_tried_again_with_less(daemon):
    job_id = daemon.submit(settings={"description": "much memory"}).job_id
    events = list(daemon.watch(job_id))
    assert kinds(events)[-1] == "done"
    assert kinds(events).count("queued") == 2
    assert daemon.job(job_id).crashes == 0


def test_a_checkpoint_that_the_disk_does_not_take_costs_nothing_else(start_daemon):
    daemon = start_daemon(checkpoint_seconds=0)
    job_id = daemon.submit(settings={"steps": 300}, detached=True).job_id
    with no_file_larger(daemon.running_worker(job_id), 8):
        assert wait_until(lambda: daemon.job(job_id).step > 20)
    events = list(daemon.watch(job_id))
    assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
    assert any("a checkpoint cannot be kept" in line for line in daemon.log)


def test_a_result_that_the_disk_does_not_take_is_one_sentence(daemon):
    assert daemon.restores()
    pid = daemon.status().workers[0].pid
    with no_file_larger(pid, 100):
        job_id = daemon.submit(settings={"steps": 1}, detached=True).job_id
        failed = list(daemon.watch(job_id))[-1].failed
    assert failed.reason == "output"
    assert "make room on that disk" in failed.message
    assert not list(daemon.spool.glob(f"*/{job_id}/result*"))
    # The worker has nothing to do with it and goes on.
    assert daemon.restores()
    assert daemon.status().workers[0].pid == pid


def test_what_a_killed_worker_left_goes_with_its_job(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    waiting = daemon.submit(detached=True).job_id
    (folder,) = daemon.spool.glob(f"*/{waiting}")
    for name in ("result.part", "checkpoint.part", "checkpoint", "decoded"):
        (folder / name).write_bytes(b"x")
    daemon.cancel(waiting)
    assert wait_until(lambda: [path.name for path in folder.iterdir()] == ["events"])
    daemon.cancel(running)


def test_each_device_has_a_worker_of_its_own(start_daemon, tmp_path):
    # The engine of the tests takes any device.
    daemon = start_daemon(device=["cpu", "cuda:0"])
    jobs = [daemon.submit(settings={"steps": 200}, detached=True).job_id for _ in range(2)]
    assert wait_until(lambda: daemon.status().running == 2)
    for job_id in jobs:
        assert kinds(daemon.watch(job_id))[-1] == "done"
    workers = daemon.status().workers
    assert [worker.device for worker in workers] == ["cpu", "cuda:0"]
    assert workers[0].pid != workers[1].pid
