"""Real daemons: started when none answers, stopped by the command, and used by the client."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from ldrps_client import Client, _autostart, _reaching
from ldrps_client._autostart import ensure_running, is_serving
from ldrps_client.cli import main
from ldrps_client.events import Restarted, Step
from ldrps_client.files import decode
from ldrps_engine.errors import AccessError, UnavailableError

pytestmark = pytest.mark.e2e


@pytest.fixture
def place(monkeypatch):
    """An address in a run folder of the test's own; whatever serves there ends with the test."""
    with tempfile.TemporaryDirectory(prefix="ldrps") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        monkeypatch.delenv("LDRPS_ADDRESS", raising=False)
        address = f"unix:{folder}/ldrps/ldrps.sock"
        yield address
        main(["stop", "--address", address])


def test_a_daemon_is_started_once_and_stopped(place, capsys):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(ensure_running, [place] * 3))
    with Client() as client:
        assert client.address == place
        pid = client.status().pid
    assert os.getsid(pid) != os.getsid(0), "Ctrl-C in our terminal would end it"
    ensure_running(place)
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pid"] == pid
    assert main(["stop"]) == 0
    assert not is_serving(place)
    assert not Path(place.removeprefix("unix:")).exists()


def test_a_daemon_on_tcp_wants_the_token_that_only_we_can_read(place, unused_port):
    address = f"127.0.0.1:{unused_port}"
    ensure_running(address)
    with Client(address) as client:
        assert client.status().pid
    token = Path(os.environ["XDG_RUNTIME_DIR"], "ldrps", "token")
    kept = token.read_text()
    token.write_text("wrong")
    with Client(address) as client, pytest.raises(AccessError, match="token"):
        client.status()
    token.write_text(kept)
    assert main(["stop", "--address", address]) == 0
    assert not is_serving(address)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_listener_that_answers_nothing_is_no_missing_daemon(tmp_path, capsys, kind):
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as silent:
        silent.bind(str(path) if kind == "unix" else ("127.0.0.1", 0))
        silent.listen()
        name = silent.getsockname()
        address = f"unix:{name}" if kind == "unix" else f"{name[0]}:{name[1]}"
        cutting = threading.Thread(target=cut_all, args=(silent,), daemon=True)
        cutting.start()
        assert main(["stop", "--address", address]) == 7
        reported = capsys.readouterr()
        why = "does not answer" if kind == "unix" else "is no daemon of yours"
        assert f"something listens on {address} but {why}" in reported.err
        silent.shutdown(socket.SHUT_RDWR)
        cutting.join(10)
    assert main(["stop", "--address", address]) == 0
    assert "nothing to stop" in capsys.readouterr().out


def test_a_queue_that_is_full_is_no_missing_daemon(tmp_path, capsys, monkeypatch):
    """Its kernel takes no connection more, without a word of whom they would be with."""
    monkeypatch.setattr(_reaching, "CALL_SECONDS", 1.0)
    with socket.socket(socket.AF_UNIX) as busy, ExitStack() as crowd:
        busy.bind(str(tmp_path / "s"))
        busy.listen(0)
        with suppress(BlockingIOError):
            while True:
                one = crowd.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(tmp_path / "s"))
        assert main(["stop", "--address", f"unix:{tmp_path}/s"]) == 7
    assert "does not answer" in capsys.readouterr().err


def test_no_second_daemon_is_started_beside_one_that_hangs(place, monkeypatch):
    monkeypatch.setattr(_autostart, "_SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(_autostart, "_start", lambda *_: pytest.fail("it was started"))
    path = Path(place.removeprefix("unix:"))
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        with pytest.raises(UnavailableError, match=r"listens on .* but does not answer"):
            ensure_running(place)


def test_a_daemon_that_is_about_to_serve_is_waited_for(place, start_daemon, monkeypatch):
    """Stopped in mid-start, as seen by others: its socket is there, answers are not yet."""
    daemon = start_daemon(address=place)
    monkeypatch.setattr(_autostart, "_start", lambda *_: pytest.fail("it was started"))
    os.kill(daemon.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(ensure_running, place)
        time.sleep(3)
        assert not waits.done()
        os.kill(daemon.process.pid, signal.SIGCONT)
        waits.result(60)


def cut_all(listener):
    """End every connection at once, until the listener is shut."""
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_why_a_daemon_does_not_start(place, monkeypatch):
    # Some networks drop what goes there and others reject it; no daemon is asked.
    monkeypatch.setattr(_autostart, "is_listening", lambda address: False)
    monkeypatch.setattr(_autostart, "is_serving", lambda address: False)
    with pytest.raises(UnavailableError, match=r"did not start .*is refused.*see .*daemon\.log"):
        ensure_running("192.0.2.1:1", seconds=10)


def test_a_daemon_that_says_nothing(place, monkeypatch):
    monkeypatch.setattr(_autostart.sys, "executable", "/bin/false")
    with pytest.raises(UnavailableError, match="it left no word"):
        ensure_running(place, seconds=1)


def test_the_command_against_a_real_daemon(daemon, photo, pixels, capsys):
    assert main(["restore", str(photo), "--address", daemon.address, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)["results"]
    assert record["model"] == "bundled"
    back = decode(record["output"]).photo.to_samples()
    assert np.array_equal(back, 255 - pixels)


def test_ctrl_c_cancels_the_job_and_leaves_nothing(daemon, photo):
    # A shell that runs the tests in the background has Ctrl-C ignored, also by its children.
    main_with_ctrl_c = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from ldrps_client.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", main_with_ctrl_c, "restore", str(photo), "--steps", "900"]
    with Client(daemon.address, autostart=False) as client:
        process = subprocess.Popen(
            [*command, "--address", daemon.address], stderr=subprocess.PIPE, text=True
        )
        while not any(job.step for job in client.jobs()):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert err.endswith("ldrps: stopped\n")
        assert "Traceback" not in err
        while (job := client.jobs()[0]).state == "running":
            time.sleep(0.02)
        assert job.state == "cancelled"
    assert not photo.with_name("in_restored.png").exists()


def test_a_daemon_killed_half_way(start_daemon, photo):
    daemon = start_daemon()
    steps = []

    def kill(event):
        steps.append(event)
        if len(steps) == 6:
            daemon.stop(signal.SIGKILL)

    with (
        Client(daemon.address, autostart=False) as client,
        pytest.raises(UnavailableError, match="went away before the job was done"),
    ):
        client.restore(photo, steps=500, on_event=kill)


def test_a_daemon_that_died_is_started_again_and_finishes_the_job(place, photo):
    pids, restarts = [], []

    def kill(event):
        if isinstance(event, Step) and event.index > 2 and not pids:
            pids.append(client.status().pid)
            os.kill(pids[0], signal.SIGKILL)
        if isinstance(event, Restarted):
            restarts.append(event)

    with Client() as client:
        killed = client.restore(photo, recipe="low-light", steps=8, on_event=kill)
        assert client.status().pid != pids[0]
        assert restarts == [Restarted()]
        assert [job.state for job in client.jobs()] == ["done"]
        again = client.restore(photo, recipe="low-light", steps=8)
    assert np.array_equal(killed.photo.pixels, again.photo.pixels)


@pytest.mark.parametrize("option", [[], ["--json"], ["--json-lines"]])
def test_a_restart_of_the_daemon_is_said_once(client, fake, photo, monkeypatch, capsys, option):
    """Notice for the user: its cut connections give no reason, so the daemon was not stopped."""
    monkeypatch.setattr("ldrps_client._watching._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ldrps_client._watching._CROWD_SECONDS", 0.0)
    fake.cut_after = [5] + [0] * 5
    assert main(["restore", str(photo), "--address", client.address, *option]) == 0
    out, err = capsys.readouterr()
    words = "the daemon had died and was started again; the job goes on"
    if not option:
        assert err.count(words) == 1
        return
    assert words not in err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line for line in lines if line.get("event") == "restarted"] == (
        [{"event": "restarted", "photo": str(photo), "words": words}] * (len(lines) > 1)
    )
    record = lines[-1]["results"][0] if "results" in lines[-1] else lines[-1]
    assert record["warnings"] == [words]


def test_a_daemon_that_was_stopped_is_not_started_again(place, photo, monkeypatch, capsys):
    monkeypatch.setattr("ldrps_client._watching._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ldrps_client._watching._CROWD_SECONDS", 0.2)
    stopped = []

    def stop(event):
        if isinstance(event, Step) and not stopped:
            stopped.append(main(["stop"]))

    with (
        Client() as client,
        pytest.raises(UnavailableError, match=r"went away before .* hand the photo in again"),
    ):
        client.restore(photo, recipe="low-light", steps=500, on_event=stop)
    assert stopped == [0]
    assert "1 job is lost unless it is started again within seconds" in capsys.readouterr().out
    assert not is_serving(place)


def test_a_stop_says_which_jobs_go_on(start_daemon, photo, capsys):
    """Promises that tests/e2e/test_durability.py holds the next daemon to."""
    daemon = start_daemon()
    with Client(daemon.address, autostart=False) as client:
        for detached in (True, True, False):
            client.submit(photo, steps=900, description="forever", detached=detached)
        assert main(["stop", "--address", daemon.address]) == 0
    assert capsys.readouterr().out == (
        "stopped; 2 jobs go on when it is started again; 1 job is lost unless it is started again "
        "within seconds, while the client waits\n"
    )
