"""A real daemon process on a real socket, with the no-op engine."""

import os
import signal
import socket
import stat
import subprocess
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import (
    command,
    environment,
    grey_photo,
    kinds,
    layer_bytes,
    requests,
    wait_until,
)

pytestmark = pytest.mark.e2e

LONG = {"steps": 1000}


def test_restores_a_photo(daemon):
    job = daemon.submit(settings={"steps": 4, "layers": ("pilot", "restored")})
    events = list(daemon.watch(job.job_id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert kinds(events) == [
        *("queued", "loading", "loading", "diagnosis", "description"),
        *["step"] * 4,
        *("layer_header", "layer_chunk", "layer_header", "layer_chunk", "done"),
    ]
    count = 20 * 16 * 3
    assert layer_bytes(events, 0) == bytes([77]) * count
    assert layer_bytes(events, 1) == bytes([255 - 77]) * count
    assert daemon.job(job.job_id).state == pb.JOB_STATE_DONE


def test_worker_and_its_models_stay_warm(daemon):
    assert daemon.restores()
    before = daemon.status().workers[0]
    assert "loading" not in kinds(daemon.watch(daemon.submit().job_id))
    after = daemon.status().workers[0]
    assert (after.pid, list(after.models)) == (before.pid, ["bundled"])
    assert after.memory_bytes > 1e6


def test_large_photo_comes_in_many_chunks(daemon):
    photo = grey_photo(1500, 1000)
    events = list(daemon.watch(daemon.submit(photo).job_id))
    assert kinds(events).count("layer_chunk") == 5
    assert layer_bytes(events) == bytes([178]) * (1500 * 1000 * 3)


def test_cancels_a_running_job_within_one_step(daemon):
    job_id = daemon.submit(settings=LONG).job_id
    events = daemon.watch(job_id)
    at_cancel = 0
    for event in events:
        if event.HasField("step") and event.step.index == 3:
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


def test_a_watch_resumes_where_it_was_cut_off(daemon):
    photo = grey_photo(1200, 1000)
    job_id = daemon.submit(photo, settings={"steps": 30}).job_id
    first = []
    call = daemon.watch(job_id)
    for event in call:
        first.append(event)
        if len(first) == 12:
            call.cancel()
            break
    rest = list(daemon.watch(job_id, from_event=13))
    everything = list(daemon.watch(job_id))
    assert first + rest == everything
    # Also in the middle of a layer, long after the end.
    assert list(daemon.watch(job_id, from_event=len(everything) - 2)) == everything[-3:]
    assert list(daemon.watch(job_id, from_event=len(everything) + 1)) == []


def test_previews_come_only_to_those_who_want_them(daemon):
    job_id = daemon.submit(settings={"steps": 100}).job_id
    seen = {}

    def watch(wanted):
        seen[wanted] = list(daemon.watch(job_id, previews=wanted))

    together(lambda: watch(True), lambda: watch(False))
    previews = [event.preview for event in seen[True] if event.HasField("preview")]
    assert 1 <= len(previews) <= 6
    assert (previews[0].raster.width, len(previews[0].pixels)) == (12, 8 * 12 * 3)
    assert [e for e in seen[True] if not e.HasField("preview")] == seen[False]


def test_killed_worker_costs_one_attempt(daemon):
    job_id = daemon.submit(settings={"steps": 60}, detached=True).job_id
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
    ("description", "reason"), [("raise", "internal"), ("refuse", "model"), ("memory", "internal")]
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


def test_two_clients_at_once(daemon):
    photos = [grey_photo(value=value) for value in (10, 20)]
    results = {}

    def client(index):
        job_id = daemon.submit(photos[index], settings={"steps": 10}).job_id
        results[index] = layer_bytes(daemon.watch(job_id))

    together(lambda: client(0), lambda: client(1))
    assert results == {i: bytes([255 - v]) * (20 * 16 * 3) for i, v in enumerate((10, 20))}


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


def test_full_queue_says_when_to_come_back(start_daemon):
    daemon = start_daemon(queue_limit=1)
    running = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(running)
    daemon.submit(detached=True)
    error = refused(daemon, requests())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing = dict(error.trailing_metadata())
    assert trailing["ldrps-reason"] == "busy"
    assert int(trailing["ldrps-retry-after"]) >= 1


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


def test_a_repeated_submit_is_the_same_job(daemon):
    first = daemon.submit(idempotency_key="once")
    again = daemon.submit(idempotency_key="once")
    assert (again.job_id, again.existing) == (first.job_id, True)


def test_status_answers_while_a_job_runs(daemon):
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(job_id)
    status = daemon.status()
    assert (status.running, status.queued, status.queue_limit) == (1, 0, 16)
    assert status.workers[0].state == pb.WORKER_STATE_BUSY
    assert status.workers[0].job_id == job_id
    assert status.pid == daemon.process.pid
    assert status.address == daemon.address


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


def test_bad_input_does_not_hurt_the_daemon(daemon):
    raster = pb.Raster(width=20, height=16, channels=3, sample_type=1)
    file = pb.EncodedFile(size=9)
    cases = [
        [],
        [pb.SubmitRequest()],
        [pb.SubmitRequest(chunk=b"x")],
        header(),
        header(raster=pb.Raster(width=1, height=1, channels=3, sample_type=1)),
        header(raster=pb.Raster(width=2**32 - 1, height=2**32 - 1, channels=3, sample_type=1)),
        header(raster=raster),
        [*header(raster=raster), *header(raster=raster)],
        [*header(raster=raster), pb.SubmitRequest(chunk=b"x" * 2000)],
        [*header(raster=raster), pb.SubmitRequest(chunk=b"")],
        [*header(raster=raster, settings=pb.Settings(recipe="magic"))],
        header(file=pb.EncodedFile(size=0)),
        header(file=pb.EncodedFile(size=2**60)),
        header(raster=raster, idempotency_key="k" * 129),
    ]
    for case in cases:
        error = refused(daemon, iter(case))
        assert dict(error.trailing_metadata())["ldrps-reason"] in ("photo", "limit", "settings")
    too_large = [*header(raster=raster), pb.SubmitRequest(chunk=bytes(3 << 20))]
    assert refused(daemon, iter(too_large)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    job_id = daemon.stub.Submit(
        iter([*header(file=file), pb.SubmitRequest(chunk=b"not a png")])
    ).job_id
    assert list(daemon.watch(job_id))[-1].failed.reason == "photo"
    rubbish = daemon.channel.unary_unary("/ldrps.v1.Restoration/GetJob")
    with pytest.raises(grpc.RpcError):
        rubbish(b"\xff\xff\xff", timeout=10)
    assert daemon.restores()
    # Nothing of what was refused is kept.
    assert len(list((daemon.folder / "spool").glob("*/*"))) == 2


def test_a_client_that_vanishes_in_submit_leaves_nothing(daemon):
    gone = threading.Event()

    def half():
        yield from header(raster=pb.Raster(width=20, height=16, channels=3, sample_type=1))
        gone.wait(30)

    call = daemon.stub.Submit.future(half())
    spool = daemon.folder / "spool"
    assert wait_until(lambda: list(spool.glob("*/*")))
    call.cancel()
    gone.set()
    assert wait_until(lambda: not list(spool.glob("*/*")))
    assert daemon.restores()


def test_an_encoded_file_is_decoded_in_the_worker(daemon, tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30), (10, 20, 30)).save(path)
    data = path.read_bytes()
    case = [*header(file=pb.EncodedFile(size=len(data))), pb.SubmitRequest(chunk=data)]
    job_id = daemon.stub.Submit(iter(case)).job_id
    events = list(daemon.watch(job_id))
    assert layer_bytes(events) == bytes([245, 235, 225]) * (40 * 30)
    assert daemon.job(job_id).width == 40


def test_socket_is_for_its_owner_only(daemon):
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    for folder in (daemon.folder, daemon.folder / "spool"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_second_daemon_on_the_same_address_is_refused(daemon):
    second = subprocess.run(
        command(address=daemon.address), capture_output=True, text=True, env=environment()
    )
    assert second.returncode == 7
    assert f"another daemon (pid {daemon.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.restores()


def test_an_address_in_use_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        own = {"token_file": tmp_path / "own" / "token", "spool": tmp_path / "spool"}
        run = subprocess.run(
            command(address=address, **own), capture_output=True, text=True, env=environment()
        )
    assert run.returncode == 7
    assert f"cannot serve on {address}" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_killed_daemon_takes_its_worker_and_leaves_no_obstacle(start_daemon):
    daemon = start_daemon()
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    worker = daemon.running_worker(job_id)
    daemon.stop(signal.SIGKILL)
    assert wait_until(lambda: not alive(worker))
    assert daemon.socket.exists()
    heir = start_daemon(address=daemon.address, spool=daemon.folder / "spool")
    assert heir.restores()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(daemon, number):
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    worker = daemon.running_worker(job_id)
    events = daemon.watch(job_id)
    next(events)
    began = time.monotonic()
    daemon.process.send_signal(number)
    assert kinds(events)[-1] == "cancelled"
    assert daemon.process.wait(10) == 0
    assert time.monotonic() - began < 10
    assert wait_until(lambda: not alive(worker))
    assert not daemon.socket.exists()
    assert not list((daemon.folder / "spool").iterdir())
    assert not [line for line in daemon.log if "Traceback" in line or "Error" in line]


def test_tcp_needs_the_token(start_daemon, tmp_path):
    port = free_port()
    folder = tmp_path / "own"
    daemon = start_daemon(address=f"127.0.0.1:{port}", token_file=folder / "token")
    with pytest.raises(grpc.RpcError) as caught:
        daemon.status()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert refused(daemon, requests()).code() == grpc.StatusCode.UNAUTHENTICATED
    assert serving(daemon)
    token = (folder / "token").read_text().strip()
    shown = (("authorization", f"Bearer {token}"),)
    assert daemon.stub.Status(pb.StatusRequest(), metadata=shown).pid == daemon.process.pid
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600


def test_health_and_reflection_answer(daemon):
    assert serving(daemon)
    stub = reflection_pb2_grpc.ServerReflectionStub(daemon.channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([ask])))
    names = [service.name for service in answer.list_services_response.service]
    assert "ldrps.v1.Restoration" in names


def test_log_holds_no_descriptions(daemon):
    job_id = daemon.submit(settings={"description": "my secret garden"}).job_id
    list(daemon.watch(job_id))
    assert any(job_id in line for line in daemon.log)
    assert not any("secret" in line for line in daemon.log)


def header(**fields):
    return [pb.SubmitRequest(header=pb.SubmitHeader(**fields))]


def refused(daemon, messages):
    with pytest.raises(grpc.RpcError) as caught:
        daemon.stub.Submit(messages, timeout=30)
    return caught.value


def serving(daemon):
    stub = health_pb2_grpc.HealthStub(daemon.channel)
    asks = [health_pb2.HealthCheckRequest(service=name) for name in ("", "ldrps.v1.Restoration")]
    serving = health_pb2.HealthCheckResponse.SERVING
    return all(stub.Check(ask, timeout=10).status == serving for ask in asks)


def together(*actions):
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that init has not collected yet is dead enough.
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_job_that_only_looks_ends_with_the_description(daemon):
    looked = kinds(daemon.watch(daemon.submit(look_only=True, settings=LONG).job_id))
    assert looked[-3:] == ["diagnosis", "description", "done"]
    assert not {"step", "layer_header"} & set(looked)
    assert daemon.restores(), "the next job must not stop there too"
