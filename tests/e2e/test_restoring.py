"""Photos through a real daemon on a real socket, with the no-op engine."""

import grpc
import pytest

from ldrps.v1 import restoration_pb2 as pb
from support.daemon import (
    grey_photo,
    header,
    kinds,
    layer_bytes,
    running_daemon,
    together,
)

pytestmark = pytest.mark.e2e

LONG = {"description": "forever"}


@pytest.fixture(scope="module")
def daemon():
    """One for all tests of this file: none minds what the others hand in."""
    with running_daemon() as running:
        yield running


def test_restores_a_photo(start_daemon):
    daemon = start_daemon()
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
    with pytest.raises(grpc.RpcError, match="past the last one") as caught:
        list(daemon.watch(job_id, from_event=len(everything) + 1))
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


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


def test_two_clients_at_once(daemon):
    photos = [grey_photo(value=value) for value in (10, 20)]
    results = {}

    def client(index):
        job_id = daemon.submit(photos[index], settings={"steps": 10}).job_id
        results[index] = layer_bytes(daemon.watch(job_id))

    together(lambda: client(0), lambda: client(1))
    assert results == {i: bytes([255 - v]) * (20 * 16 * 3) for i, v in enumerate((10, 20))}


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


def test_a_repeated_submit_is_the_same_job(daemon):
    first = daemon.submit(idempotency_key="once")
    again = daemon.submit(idempotency_key="once")
    assert (again.job_id, again.existing) == (first.job_id, True)


def test_status_answers_while_a_job_runs(daemon):
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    daemon.running_worker(job_id)
    status = daemon.status()
    assert (status.running, status.queued, status.queue_limit) == (1, 0, 64)
    assert status.workers[0].state == pb.WORKER_STATE_BUSY
    assert status.workers[0].job_id == job_id
    assert status.pid == daemon.process.pid
    assert status.address == daemon.address
    daemon.cancel(job_id)


def test_log_holds_no_descriptions(daemon):
    job_id = daemon.submit(settings={"description": "my secret garden"}).job_id
    list(daemon.watch(job_id))
    assert any(job_id in line for line in daemon.log)
    assert not any("secret" in line for line in daemon.log)


def test_a_job_that_only_looks_ends_with_the_description(daemon):
    looked = kinds(daemon.watch(daemon.submit(diagnose_only=True, settings=LONG).job_id))
    assert looked[-3:] == ["diagnosis", "description", "done"]
    assert not {"step", "layer_header"} & set(looked)
    assert daemon.restores(), "the next job must not stop there too"


def test_input_is_gone_when_the_job_has_ended(start_daemon):
    daemon = start_daemon(checkpoint_seconds=0)
    assert daemon.restores()
    (folder,) = daemon.kept()
    assert sorted(path.name for path in folder.iterdir()) == ["events", "result"]
