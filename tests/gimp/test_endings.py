"""In a real GIMP: however a restoration ends, the image is as it was, or whole."""

import contextlib
import os
import random
import signal
import time

import pytest

from support.daemon import wait_until

LONG = 1000
START = "image, layer = new_image(200, 150)\nkeep['image'] = image\nanswer = state(image)"
STATE = "answer = state(keep['image'])"


@pytest.fixture
def daemon(gimp, shared_daemon, make_daemon):
    """A daemon that may be killed. The shared one has the address; it makes room meanwhile."""
    shared_daemon.stop()
    made = make_daemon(gimp)
    yield made
    made.stop()
    shared_daemon.__init__(shared_daemon.folder, address=shared_daemon.address)


def begin(gimp, **settings):
    """Start a restoration; returns the image's state before it."""
    before = gimp.do(START)
    words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    gimp.send(
        "image = keep['image']\n"
        f"answer = call('ldrps-restore', image, image.get_layers(), {words})[0]"
    )
    return before


def plug_in(gimp):
    """The restoring process of a GIMP."""
    assert wait_until(lambda: gimp.processes("plug-ins/ldrps/ldrps.py"))
    return gimp.processes("plug-ins/ldrps/ldrps.py")[0]


def running_job(daemon):
    """Its worker's process id, once it has reached a step."""
    assert wait_until(lambda: newest(daemon).step > 0)
    return daemon.status().workers[0].pid


def newest(daemon):
    from ldrps.v1 import restoration_pb2 as pb

    jobs = daemon.stub.ListJobs(pb.ListJobsRequest(limit=1)).jobs
    return jobs[0] if jobs else pb.Job()


@pytest.mark.parametrize("output", ["new-layer", "replace", "new-image"])
def test_the_plug_in_is_killed_while_the_daemon_works(gimp, daemon, output):
    before = begin(gimp, steps=LONG, output=output)
    running_job(daemon)
    os.kill(plug_in(gimp), signal.SIGKILL)
    assert gimp.receive() != "success"
    assert gimp.do(STATE) == before
    assert wait_until(lambda: newest(daemon).state == 5), "a lost watcher cancels the job"
    assert daemon.restores()


@pytest.mark.parametrize("output", ["new-layer", "replace"])
def test_the_plug_in_is_killed_at_any_moment(gimp, daemon, output):
    started = time.monotonic()
    begin(gimp, steps=10, output=output)
    assert gimp.receive() == "success"
    usual = time.monotonic() - started
    chance = random.Random(output)
    ends = []
    for part in range(10):
        before = begin(gimp, steps=10, output=output)
        victim = plug_in(gimp)
        time.sleep(usual * (part + chance.random()) / 7)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        ends.append(gimp.receive())
        after = gimp.do(STATE)
        if ends[-1] == "success":
            assert after != before
        elif after != before:
            # Killed between the result's arrival and GIMP's being told of the success.
            assert "ldrps-provenance" in after[5]
    assert len(set(ends)) > 1, "the moments were not spread over the whole run"


def test_the_daemon_is_killed(gimp, daemon):
    before = begin(gimp, steps=LONG)
    running_job(daemon)
    daemon.stop(signal.SIGKILL)
    assert gimp.receive() == "execution-error"
    assert gimp.do(STATE) == before


def test_the_worker_is_killed_again_and_again(gimp, daemon):
    before = begin(gimp, steps=LONG)
    for _ in range(2):
        worker = running_job(daemon)
        os.kill(worker, signal.SIGKILL)
        assert wait_until(lambda gone=worker: daemon.status().workers[0].pid != gone)
    assert gimp.receive() == "execution-error"
    assert gimp.do(STATE) == before
    assert daemon.restores()


def test_the_worker_is_killed_once_and_nobody_notices(gimp, daemon):
    before = begin(gimp, steps=60)
    os.kill(running_job(daemon), signal.SIGKILL)
    assert gimp.receive() == "success"
    assert len(gimp.do(STATE)[0]) == len(before[0]) + 1


def test_the_job_is_cancelled_from_elsewhere(gimp, daemon):
    before = begin(gimp, steps=LONG)
    running_job(daemon)
    daemon.cancel(newest(daemon).job_id)
    assert gimp.receive() == "cancel"
    assert gimp.do(STATE) == before


@pytest.mark.parametrize("word", ["die", "raise", "refuse", "memory"])
def test_the_engine_fails(gimp, daemon, word):
    found = gimp.do(f"""
image, layer = new_image()
before = state(image)
answer = [refusal([layer], description={word!r}), state(image) == before]
image.delete()
""")
    (status, sentence), same = found
    assert status == "execution-error"
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    assert same


def test_no_daemon_and_none_to_start(gimp, daemon):
    daemon.stop()
    status, sentence = gimp.do("""
image, layer = new_image()
answer = refusal([layer])
image.delete()
""")
    assert status == "execution-error"
    assert "ldrps serve" in sentence
