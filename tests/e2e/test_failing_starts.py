"""Starts of workers that fail or hang, which are no job's fault."""

import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_client import Client
from ldrps_daemon.scheduling.start_backoff import _USUAL_SECONDS
from ldrps_engine.errors import BusyError
from support.daemon import (
    alive,
    environment,
    kinds,
    wait_until,
)

pytestmark = pytest.mark.e2e


@pytest.fixture
def bad_start(tmp_path, monkeypatch):
    """Makes workers' starts go wrong for as long as a file says how."""
    how = tmp_path / "how"
    monkeypatch.setenv("BAD_START", str(how))
    return how


def hanging(bad_start):
    """Return the process id of a worker whose start hangs, once there is one."""
    reported = bad_start.with_name(f"{bad_start.name}.hangs")
    assert wait_until(lambda: reported.exists() and reported.read_text(), 60)
    pid = int(reported.read_text())
    reported.unlink()
    return pid


STARTS = {"die": "ended with code 3", "raise": "Too many open files", "hang": "was not ready"}
# One that hangs is noticed after the shorter of two times, whichever that is.
LIMITS = [("die", "start_seconds"), ("raise", "start_seconds")]
LIMITS += [("hang", "start_seconds"), ("hang", "hang_seconds")]


@pytest.mark.parametrize(("wrong", "limit"), LIMITS)
def test_a_start_that_fails_is_not_the_jobs_fault(start_daemon, bad_start, wrong, limit):
    bad_start.write_text(wrong)
    daemon = start_daemon(engine="support.bad_start_engine", **{limit: 2})
    job_id = daemon.submit(detached=True).job_id
    assert wait_until(lambda: STARTS[wrong] in daemon.status().workers[0].trouble)
    events = daemon.watch(job_id)
    assert next(event for event in events if STARTS[wrong] in event.queued.why).number > 1
    seen = daemon.job(job_id)
    assert (seen.state, seen.crashes) == (pb.JOB_STATE_QUEUED, 0)
    bad_start.unlink()
    assert kinds(events)[-1] == "done"
    assert (daemon.status().crashes, daemon.status().workers[0].trouble) == (0, "")


def test_a_cancel_during_a_start_that_hangs_makes_room_for_another(start_daemon, bad_start):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine")
    job_id = daemon.submit(detached=True).job_id
    pid = hanging(bad_start)
    assert daemon.status().workers[0].state == pb.WORKER_STATE_STARTING
    bad_start.unlink()
    assert daemon.cancel(job_id).state == pb.JOB_STATE_CANCELLED
    assert kinds(daemon.watch(job_id))[-1] == "cancelled"
    assert wait_until(lambda: not alive(pid))
    # Within far less than what a start may take.
    assert daemon.restores()
    assert daemon.status().workers[0].pid != pid


@pytest.mark.slow
def test_a_cancel_during_a_start_that_hangs_helps_the_job_that_waits_already(
    start_daemon, bad_start
):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine")
    first, next_one = (daemon.submit(detached=True).job_id for _ in range(2))
    pid = hanging(bad_start)
    bad_start.unlink()
    # As long as it may be only slow, the start goes on for the one that is left.
    daemon.cancel(daemon.submit(detached=True).job_id)
    time.sleep(_USUAL_SECONDS + 1)
    assert alive(pid)
    daemon.cancel(first)
    # Far sooner than a start that takes too long is given up.
    assert wait_until(lambda: not alive(pid))
    assert kinds(daemon.watch(next_one))[-1] == "done"
    assert daemon.status().workers[0].trouble == ""


def test_a_start_for_a_caller_who_leaves_ends_with_the_call(start_daemon, bad_start):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine")
    call = pb_grpc.ModelsStub(daemon.channel).Load.future(pb.ModelRequest(name="bundled"))
    pid = hanging(bad_start)
    call.cancel()
    assert wait_until(lambda: not alive(pid))
    assert wait_until(lambda: daemon.status().workers[0].state == pb.WORKER_STATE_ASLEEP)
    bad_start.unlink()
    assert daemon.restores()


def test_a_stop_does_not_wait_for_a_start_that_hangs(start_daemon, bad_start):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine")
    daemon.submit(detached=True)
    pid = hanging(bad_start)
    assert daemon.stop() == 0
    assert not alive(pid)


@pytest.mark.parametrize("way", [{}, {"detached": True, "deadline_seconds": 1}])
def test_who_leaves_and_whose_time_is_up_ends_a_start_that_hangs(start_daemon, bad_start, way):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine", grace_seconds=0.5)
    job_id = daemon.submit(**way).job_id
    assert wait_until(lambda: daemon.job(job_id).state == pb.JOB_STATE_CANCELLED)
    bad_start.unlink()
    assert daemon.restores()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_during_a_start_that_hangs_ends_it(start_daemon, bad_start, tmp_path, number):
    bad_start.write_text("hang")
    daemon = start_daemon(engine="support.bad_start_engine")
    photo = tmp_path / "in.png"
    Image.new("RGB", (20, 16), (77, 77, 77)).save(photo)
    # A shell that runs the tests in the background has Ctrl-C ignored, also by its children.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from ldrps_client.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "restore", str(photo), "--address", daemon.address]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as ours:
        pid = hanging(bad_start)
        bad_start.unlink()
        ours.send_signal(number)
        _, reported = ours.communicate(timeout=60)
    assert ours.returncode == 128 + number
    assert reported.endswith("ldrps: stopped\n")
    assert "Traceback" not in reported
    assert wait_until(lambda: daemon.status().cancelled == 1)
    assert wait_until(lambda: not alive(pid))
    assert daemon.restores()
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_model_is_not_loaded_while_no_worker_can_start(start_daemon, bad_start):
    bad_start.write_text("die")
    daemon = start_daemon(engine="support.bad_start_engine")
    with Client(daemon.address) as client, pytest.raises(BusyError, match="cannot start now"):
        client.models.load("bundled")
    bad_start.unlink()
    assert daemon.restores()
