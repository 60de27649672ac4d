"""The end of a daemon, wanted and unwanted, and what its heir does."""

import os
import signal
import threading
import time

import grpc
import pytest

from ldrps_client import Client
from ldrps_engine.errors import LdrpsError, UnavailableError
from support.daemon import alive, layer_bytes, refused, requests, serving, wait_until

pytestmark = pytest.mark.e2e

LONG = {"description": "forever"}


def test_a_killed_daemon_takes_its_worker_and_leaves_no_obstacle(start_daemon):
    daemon = start_daemon()
    job_id = daemon.submit(settings={"steps": 100}, detached=True).job_id
    worker = daemon.running_worker(job_id)
    daemon.stop(signal.SIGKILL)
    assert wait_until(lambda: not alive(worker))
    assert daemon.socket.exists()
    heir = start_daemon(address=daemon.address, spool=daemon.spool)
    assert heir.restores()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_soon(daemon, number):
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    worker = daemon.running_worker(job_id)
    events = daemon.watch(job_id)
    next(events)
    began = time.monotonic()
    daemon.process.send_signal(number)
    with pytest.raises(grpc.RpcError) as caught:
        list(events)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "goes on when it is back" in caught.value.details()
    assert daemon.process.wait(20) == 0
    # The bound: five seconds for a checkpoint, one for calls, and what a busy machine adds.
    assert time.monotonic() - began < 15
    assert wait_until(lambda: not alive(worker))
    assert not daemon.socket.exists()
    assert not [line for line in daemon.log if "Traceback" in line or "Error" in line]


def test_calls_under_way_at_a_stop_hear_that_the_daemon_went(daemon):
    """To whoever asks just then, gRPC says CANCELLED, which would read as a cancelled job."""
    said = set()

    def ask():
        with Client(daemon.address, autostart=False) as client:
            while not said:
                try:
                    client.status()
                except LdrpsError as error:
                    said.add(type(error))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    assert daemon.restores()
    assert daemon.stop() == 0
    for asker in askers:
        asker.join(60)
    assert said == {UnavailableError}


def test_a_stop_takes_a_checkpoint_that_its_heir_goes_on_from(start_daemon):
    daemon = start_daemon(checkpoint_seconds=1000)
    job_id = daemon.submit(settings={"description": "linger", "steps": 50}, detached=True).job_id
    daemon.running_worker(job_id)
    daemon.stop()
    heir = start_daemon(address=daemon.address, spool=daemon.spool)
    reported = [e.step.index for e in heir.watch(job_id) if e.HasField("step")]
    # The first step is told again and again until the stop; from there on each comes once.
    assert [index for index in reported if index > 1] == list(range(2, 51))
    assert layer_bytes(heir.watch(job_id)) == bytes([178]) * (20 * 16 * 3)


def test_health_turns_before_the_end(start_daemon):
    """While a worker that does not listen holds up the stop, nobody is sent here any more."""
    daemon = start_daemon(stop_seconds=60)
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    worker = daemon.running_worker(job_id)
    os.kill(worker, signal.SIGSTOP)
    assert serving(daemon)
    daemon.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: not serving(daemon))
    assert refused(daemon, requests()).code() is grpc.StatusCode.UNAVAILABLE
    assert daemon.process.poll() is None
    os.kill(worker, signal.SIGCONT)
    assert daemon.process.wait(30) == 0
