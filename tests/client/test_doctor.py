"""The report for those who help: useful, and silent about the user."""

import json
import os
import socket
from pathlib import Path

from ldrps_client.cli import _doctor
from ldrps_client.cli._doctor import anonymised


def test_what_belongs_to_the_user_is_left_out(monkeypatch):
    monkeypatch.setenv("USER", "jane")
    home, host = Path.home(), socket.gethostname()
    secret = "0123456789abcdef" * 4
    text = (
        f"{home}/Pictures/x.jpg and /media/jane/wedding.tif for jane on {host}, "
        f"token {secret}, from 192.168.1.7 and 127.0.0.1, "
        "at /usr/lib/python3/site-packages/ldrps_daemon/scheduling/worker_slot.py line 3"
    )
    shown = anonymised({"a": [text]})["a"][0]
    for private in (str(home), "wedding", "jane", secret, "192.168.1.7"):
        assert private not in shown
    assert "127.0.0.1" in shown
    assert "worker_slot.py" in shown


def test_without_a_daemon_it_says_so(ldrps):
    code, out, _ = ldrps("doctor", "--address", "unix:/nowhere/s", "--json")
    report = json.loads(out)
    assert code == 0
    assert any("no daemon answers" in problem for problem in report["problems"])
    assert report["packages"]["numpy"] != "missing"
    assert "/nowhere" not in out


def test_of_a_daemon_it_shows_the_state(ldrps):
    code, out, _ = ldrps("doctor", "--json")
    daemon = json.loads(out)["daemon"]
    assert (code, daemon["answers"], daemon["version"]) == (0, True, "9.9")
    assert daemon["workers"][0]["device"] == "cpu"


def problems(report):
    """Those that do not depend on the machine of the tests."""
    return [words for words in report["problems"] if "disk" not in words and "GPU" not in words]


def test_where_the_daemon_is_not_installed_nothing_is_said_of_its_parts(ldrps, monkeypatch):
    def never():
        raise AssertionError("there is no sandbox to look at")

    monkeypatch.setattr(_doctor, "missing", lambda _: ["torch", "pyseccomp"])
    monkeypatch.setattr(_doctor, "_sandbox", never)
    report = json.loads(ldrps("doctor", "--address", "unix:/nowhere/s", "--json")[1])
    words = "the daemon lacks torch, pyseccomp; run pip install 'ldrps[daemon]'"
    assert problems(report) == [words]
    # One that answers is installed somewhere else, as in a container.
    assert problems(json.loads(ldrps("doctor", "--json")[1])) == []


def test_a_report_is_written_once(ldrps, tmp_path):
    path = tmp_path / "report.json"
    assert ldrps("doctor", "-o", str(path))[0] == 0
    assert "problems" in json.loads(path.read_text())
    code, _, err = ldrps("doctor", "-o", str(path))
    assert code == 5
    assert "there already" in err


def test_the_end_of_the_log_is_read_not_all_of_it(tmp_path):
    path = tmp_path / "daemon.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert _doctor._log(path)[-1] == "line 99999"
    assert len(_doctor._log(path)) == _doctor._LOG_LINES
    assert _doctor._log(tmp_path / "none") == []


def test_kept_names_do_not_eat_words(monkeypatch):
    monkeypatch.setenv("USER", "a")
    assert anonymised("a photo") == "a photo"
    assert os.sep in anonymised("/usr/lib/python3.11/site-packages/x.py")
