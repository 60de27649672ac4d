"""A look is answered beside a restoration that runs, by a process without a prior."""

import signal

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import kinds

LONG = {"description": "forever"}
QUEUE = 5


def test_a_look_does_not_wait_for_what_restores(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    waiting = [daemon.submit(detached=True).job_id for _ in range(QUEUE)]
    looked = list(daemon.watch(daemon.submit(diagnose_only=True).job_id))
    assert kinds(looked)[-3:] == ["diagnosis", "description", "done"]
    assert [event.queued.position for event in looked if event.HasField("queued")] == [0]
    assert daemon.job(running).state == pb.JOB_STATE_RUNNING
    assert {daemon.job(each).state for each in waiting} == {pb.JOB_STATE_QUEUED}
    for each in (*waiting, running):
        daemon.cancel(each)


def test_a_look_that_asks_for_more_is_one_for_the_device(daemon):
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    asks = daemon.submit(diagnose_only=True, settings={"recipe": "haze"}, detached=True).job_id
    assert daemon.job(asks).state == pb.JOB_STATE_QUEUED
    daemon.cancel(running)
    assert kinds(daemon.watch(asks))[-1] == "done"


def test_looks_can_be_cancelled_and_survive_the_end_of_the_daemon(daemon):
    look = daemon.submit(diagnose_only=True, settings={"description": "hang"}, detached=True).job_id
    first = next(daemon.watch(look))
    assert first.HasField("queued")
    daemon.cancel(look)
    assert daemon.job(look).state == pb.JOB_STATE_CANCELLED
    behind = daemon.submit(diagnose_only=True, detached=True).job_id
    daemon.stop(signal.SIGKILL)
    daemon.__init__(daemon.folder, address=daemon.address)
    assert kinds(daemon.watch(behind))[-1] == "done"
    assert daemon.restores()
