"""Jobs that do not end well: cancelled, crashed, refused by the engine, left alone."""

import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image, ImageCms

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc as pb_grpc
from ldrps_client import Client
from ldrps_daemon.scheduling.start_backoff import _USUAL_SECONDS
from ldrps_engine.errors import BusyError
from ldrps_engine.photo import Photo
from ldrps_wire.conversion import chunks
from support.daemon import (
    alive,
    environment,
    kinds,
    layer_bytes,
    no_file_larger,
    refused,
    requests,
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


@pytest.fixture
def bad_start(tmp_path, monkeypatch):
    """Makes workers' starts go wrong for as long as a file says how."""
    how = tmp_path / "how"
    monkeypatch.setenv("BAD_START", str(how))
    return how


def hanging(bad_start):
    """Return the process id of a worker whose start hangs, once there is one."""
    told = bad_start.with_name(f"{bad_start.name}.hangs")
    assert wait_until(lambda: told.exists() and told.read_text(), 60)
    pid = int(told.read_text())
    told.unlink()
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
        _, told = ours.communicate(timeout=60)
    assert ours.returncode == 128 + number
    assert told.endswith("ldrps: stopped\n")
    assert "Traceback" not in told
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


def png(side):
    """A file that is far smaller than what it decodes to."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (77, 77, 77)).save(file, "PNG")
    return file.getvalue()


def hand_in_file(daemon, data, **more):
    header = pb.SubmitHeader(file=pb.EncodedFile(size=len(data)), detached=True, **more)
    pieces = [pb.SubmitRequest(chunk=chunk) for chunk in chunks(data)]
    return daemon.stub.Submit(iter([pb.SubmitRequest(header=header), *pieces]), timeout=60).job_id


def test_decoded_results_count_towards_the_spool(start_daemon):
    side = 600
    size, data = side * side * 3, png(side)
    assert len(data) * 20 < size
    daemon = start_daemon(spool_bytes=int(3.5 * size))
    jobs = []
    for _ in range(4):
        jobs.append(hand_in_file(daemon, data))
        events = list(daemon.watch(jobs[-1]))
        assert layer_bytes(events) == bytes([178]) * size
        assert wait_until(lambda: daemon.status().spool_bytes <= 3.5 * size)
    on_disk = sum(path.stat().st_size for path in daemon.spool.glob("*/*/result"))
    assert on_disk == 2 * size
    known = [job.job_id for job in daemon.stub.ListJobs(pb.ListJobsRequest()).jobs]
    assert known == jobs[:1:-1]


@pytest.mark.parametrize("is_file", [False, True])
def test_what_lies_beside_a_result_while_it_is_encoded_counts(start_daemon, is_file):
    side = 1500
    noise = np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)
    size = noise.size
    # Photo, what is decoded, the result, and beside it one layer raw and encoded.
    most = (3 + 1 + is_file) * size + (1 << 20)
    daemon = start_daemon(spool_bytes=most)
    wanted = {"result_format": pb.FILE_FORMAT_PNG}
    if is_file:
        job_id = hand_in_file(daemon, saved(noise), **wanted)
    else:
        job_id = daemon.submit(Photo.from_samples(noise), detached=True, **wanted).job_id
    (folder,) = daemon.spool.glob(f"*/{job_id}")
    counted = daemon.status().spool_bytes
    seen, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            # What an attempt writes lies in a folder of its own below, which may go any moment.
            found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
            large = [path for path in found if path.name not in ("events", "header")]
            seen.append(sum(map(file_size, large)))

    looking = threading.Thread(target=look)
    looking.start()
    assert kinds(daemon.watch(job_id))[-1] == "done"
    ended.set()
    looking.join()
    assert 2 * size < max(seen) <= most
    if not is_file:
        assert max(seen) <= counted
    refused_photo = Photo.from_samples(np.zeros((side, side + 800, 3), np.uint8))
    error = refused(daemon, requests(refused_photo, **wanted))
    assert error.code() == grpc.StatusCode.OUT_OF_RANGE
    assert f"the spool takes {most}" in error.details()


def file_size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def saved(samples):
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "PNG", compress_level=1)
    return file.getvalue()


def test_large_profiles_count_towards_the_spool(start_daemon):
    """A header is kept in the journal, and a profile of megabytes with each layer's header."""
    limit, profile = 20_000_000, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Photo.from_samples(
        np.full((16, 20, 3), 77, np.uint8), icc_profile=profile.ljust(2_900_000, b"\0")
    )
    daemon = start_daemon(spool_bytes=limit)
    for _ in range(12):
        job_id = daemon.submit(photo, detached=True).job_id
        assert kinds(daemon.watch(job_id))[-1] == "done"
        assert sum(map(file_size, daemon.spool.rglob("*"))) < limit + (8 << 20)
    # Nothing is kept of them but that, and they give way as large results do.
    assert 2 <= len(daemon.stub.ListJobs(pb.ListJobsRequest()).jobs) <= 7
    assert daemon.status().spool_bytes <= limit


def test_a_result_for_which_the_spool_is_too_small_is_one_sentence(start_daemon):
    daemon = start_daemon(spool_bytes=1_000_000)
    layers = pb.Settings(layers=["restored", "pilot"])
    failed = list(daemon.watch(hand_in_file(daemon, png(500), settings=layers)))[-1].failed
    assert failed.reason == "limit"
    assert "the spool takes 1000000" in failed.message
    assert daemon.restores()


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
