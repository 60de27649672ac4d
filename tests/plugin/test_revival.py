"""A daemon that dies under a job of GIMP's: started again, unless it was stopped on purpose."""

import os
import signal

import pytest

from ldrps_gimp import endpoint, starting
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.endpoint import Endpoint
from ldrps_gimp.errors import RestoreError
from plugin.test_daemon import PIXELS, at_each_step, submit
from support.daemon import environment, program


def test_one_that_died_and_can_be_started_is_and_the_job_goes_on(daemon, tmp_path, monkeypatch):
    made = program(tmp_path, daemon.spool)
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: str(made))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    ours = Daemon(Endpoint(daemon.address, chosen=False))
    job = submit(ours, steps=40)
    kills = []

    def kill():
        if not kills:
            kills.append(daemon.stop(signal.SIGKILL))

    try:
        layers = b""
        for event in ours.watch(job):
            if "step" in event:
                kill()
            layers += event["layer_chunk"]["data"] if "layer_chunk" in event else b""
        assert len(kills) == 1
        assert layers == bytes(255 - value for value in PIXELS)
    finally:
        ours.close()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


def test_one_that_was_stopped_is_not_started_again(daemon, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: "/usr/bin/ldrps")
    monkeypatch.setattr(starting, "start", lambda daemon: pytest.fail("it was started"))
    ours = Daemon(Endpoint(daemon.address, chosen=False))
    job = submit(ours, description="forever")
    with pytest.raises(RestoreError, match="Try again"):
        at_each_step(ours, job, lambda: daemon.stop(signal.SIGTERM))
    ours.close()
