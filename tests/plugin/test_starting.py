"""Start of the daemon by GIMP: where none answers, and nowhere else."""

import os
import signal
import socket
import threading

import pytest

from ldrps_gimp import endpoint, starting
from ldrps_gimp.daemon import Daemon
from ldrps_gimp.errors import RestoreError
from plugin.test_daemon import client
from support.daemon import environment, program, wait_until


@pytest.fixture
def alone(tmp_path_factory, monkeypatch):
    """A user without a daemon."""
    folder = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("LDRPS_ADDRESS", raising=False)
    return folder


def test_the_daemon_is_started_and_outlives_us(alone, monkeypatch):
    made = program(alone, alone / "spool")
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: str(made))
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    ours = Daemon(endpoint.default_endpoint())
    try:
        ours.ensure_running()
        pid = ours.status()["pid"]
        assert os.getsid(pid) != os.getsid(0)
        ours.ensure_running()
        assert ours.status()["pid"] == pid
    finally:
        ours.close()
        os.kill(int((alone / "pid").read_text()), signal.SIGTERM)
    assert wait_until(lambda: not (alone / "ldrps" / "ldrps.sock").exists())


def test_a_daemon_that_does_not_start_says_why(alone, monkeypatch):
    program = alone / "broken"
    program.write_text("#!/bin/sh\necho 'ldrps: something is missing' >&2\nexit 6\n")
    program.chmod(0o755)
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: str(program))
    with pytest.raises(RestoreError, match="something is missing"):
        Daemon(endpoint.default_endpoint()).ensure_running()


def test_none_is_started_beside_one_that_does_not_answer(alone, monkeypatch):
    monkeypatch.setattr(starting, "_SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: pytest.fail("looked for a program"))
    (alone / "ldrps").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(alone / "ldrps" / "ldrps.sock"))
        hung.listen()
        with pytest.raises(
            RestoreError, match=r"Something listens on .* does not answer"
        ) as caught:
            Daemon(endpoint.default_endpoint()).ensure_running()
    assert caught.value.reason == "unavailable"


def test_one_that_is_about_to_answer_is_waited_for(start_daemon):
    """Stopped for a while, as it is for others while it starts."""
    daemon = start_daemon()
    os.kill(daemon.process.pid, signal.SIGSTOP)
    later = threading.Timer(3, os.kill, (daemon.process.pid, signal.SIGCONT))
    later.start()
    ours = client(daemon.address)
    ours.ensure_running()
    assert ours.status()["pid"] == daemon.process.pid
    later.join()
    ours.close()


def test_none_is_started_for_an_address_that_somebody_chose(alone, monkeypatch):
    monkeypatch.setenv("LDRPS_ADDRESS", f"unix:{alone}/other")
    monkeypatch.setattr(endpoint.shutil, "which", lambda name: pytest.fail("looked for a program"))
    with pytest.raises(RestoreError, match="No daemon answers"):
        Daemon(endpoint.default_endpoint()).ensure_running()
    for address in ("somewhere", "tls:elsewhere:443"):
        monkeypatch.setenv("LDRPS_ADDRESS", address)
        with pytest.raises(RestoreError, match="not an address"):
            endpoint.default_endpoint()


def test_both_clients_look_in_the_same_place(alone, monkeypatch):
    from ldrps_wire.address import default_address, default_token_file

    assert endpoint.default_endpoint().address == default_address()
    assert endpoint.token_file() == default_token_file()
    monkeypatch.setenv("LDRPS_TOKEN_FILE", "/some/token")
    assert endpoint.token_file() == default_token_file()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nowhere")
    assert endpoint.default_endpoint().address == default_address()
