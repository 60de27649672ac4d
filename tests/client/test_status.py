"""`ldrps status` and `ldrps jobs` beyond what the daemon says."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._records import status_from_wire
from ldrps_client.cli import _daemon
from support.daemon import environment


@pytest.fixture
def pauses(monkeypatch):
    """Actions in the pauses of `--watch`, one after the other, and then Ctrl-C."""
    todo = []

    def pause(_):
        if not todo:
            raise KeyboardInterrupt
        todo.pop(0)()

    # Its own `time` only: others sleep too.
    monkeypatch.setattr(_daemon, "time", SimpleNamespace(sleep=pause))
    return todo


def test_watching_goes_on_until_ctrl_c(ldrps, pauses):
    seen = []
    pauses += [lambda: seen.append("a second"), lambda: seen.append("another")]
    code, out, err = ldrps("status", "--watch")
    assert code == 130
    assert len(seen) == 2
    assert "0 running" in out
    assert "Traceback" not in err


def test_a_daemon_that_leaves_while_it_is_watched_is_one_sentence(ldrps, fake, pauses):
    pauses.append(lambda: setattr(fake, "gone", True))
    code, out, err = ldrps("status", "--watch", "--json")
    assert code == 7
    assert json.loads(out.splitlines()[0])["version"] == "9.9"
    assert json.loads(out.splitlines()[1])["error"]["reason"] == "unavailable"
    assert err.count("\n") == 1


def test_each_object_comes_at_once(address):
    command = [sys.executable, "-m", "ldrps_client.cli", "status", "--json", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        try:
            # It would be held back until kilobytes of it had come.
            assert json.loads(process.stdout.readline())["version"] == "9.9"
            assert process.poll() is None
        finally:
            process.kill()


def test_a_job_that_runs_is_shown_however_many_have_ended_since(ldrps, client, fake, photo):
    jobs = [client.submit(photo) for _ in range(120)]
    fake.running.add(jobs[0])
    assert jobs[0] in ldrps("status")[1]


def test_nodes_of_a_cluster_are_shown_with_their_models_and_troubles():
    nodes = [
        pb.Node(name="10.0.0.7/3fa0b1c2", models=["sd15", "sd21"]),
        pb.Node(name="10.0.0.8/77aa0c1d", trouble="is fetching model sd21"),
    ]
    found = status_from_wire(pb.StatusResponse(nodes=nodes)).nodes
    console = Console(width=120)
    with console.capture() as shown:
        console.print(_daemon._nodes(found))
    lines = shown.get().splitlines()
    (first,) = [line for line in lines if "10.0.0.7/3fa0b1c2" in line]
    (second,) = [line for line in lines if "10.0.0.8/77aa0c1d" in line]
    assert "bundled, sd15, sd21" in first
    assert "is fetching model sd21" in second
    with console.capture() as shown:
        console.print(_daemon._nodes(found * 9))
    assert "and 8 more" in shown.get()


@pytest.mark.parametrize("limit", ["-1", "0", "1001", str(2**40)])
def test_an_impossible_number_of_jobs_is_refused(ldrps, limit):
    code, _, err = ldrps("jobs", "--limit", limit)
    assert code == 2
    assert "use 1 to 1000" in err
