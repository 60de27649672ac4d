"""`ldrps watch` as it is typed, with a real daemon."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hotfolder.support import is_result_of, names, run_once, write_photo
from ldrps.v1 import restoration_pb2 as pb
from ldrps_client.cli import main
from support.daemon import environment, wait_until

QUICK = ["--settle", "0.2", "--no-start"]


def ldrps(*words, **options):
    command = [sys.executable, "-m", "ldrps_client.cli", *map(str, words)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, **options
    )


def events(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.e2e
def test_a_single_run_through_the_real_daemon(daemon, inside, out):
    write_photo(inside / "a.png", 1)
    (inside / "bad.jpg").write_bytes(b"no photo")
    arguments = ["watch", inside, "--out", out, "--once", *QUICK, "--address", daemon.address]
    done = ldrps(*arguments, "--json-lines")
    assert (done.returncode, done.stderr) == (3, "")
    reported = events(done.stdout)
    kinds = [event["event"] for event in reported if event.get("photo") == "a.png"]
    assert kinds == ["found", "started", "done"]
    assert is_result_of(out / "a_restored.png", 1)
    (job,) = daemon.stub.ListJobs(_list_all()).jobs
    assert job.settings.recipe == "auto"
    # So that GIMP goes first.
    assert job.priority == pb.PRIORITY_BATCH
    assert [event["photo"] for event in reported if event["event"] == "failed"] == ["bad.jpg"]


def _list_all():
    return pb.ListJobsRequest()


@pytest.mark.e2e
def test_it_runs_until_it_is_stopped(daemon, inside, out, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "ldrps_client.cli", "watch", str(inside), "--out", str(out)]
    command += [*QUICK, "--address", daemon.address, "--log", str(log)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        assert wait_until(lambda: log.exists() and "scanned" in log.read_text(), 60)
        write_photo(inside / "a.png", 1)
        assert wait_until(lambda: names(out) == ["a_restored.png"], 60)
        assert main(["watch", str(inside), "--status"]) == 0
    finally:
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert re.search(r"a\.png: done", said)
    assert f" done  {inside}/a.png  output=" in log.read_text()


@pytest.mark.e2e
def test_folders_have_settings_each_and_the_desktop_is_notified(daemon, tmp_path, monkeypatch):
    for number, name in enumerate(("one", "two")):
        write_photo(tmp_path / name / "a.png", number)
    (tmp_path / "two" / "bad.jpg").write_bytes(b"no photo")
    (tmp_path / "watch.toml").write_text(
        'notify = true\n[[folder]]\nin = "one"\nrecipe = "haze"\nsettle = 0.2\n'
        '[[folder]]\nin = "two"\nout = "out"\npattern = "{stem}.new{ext}"\nsettle = 0.2\n'
    )
    notifier, reported = tmp_path / "bin" / "notify-send", tmp_path / "reported"
    notifier.parent.mkdir()
    notifier.write_text(f'#!/bin/sh\necho "$2: $3" >> "{reported}"\n')
    notifier.chmod(0o755)
    monkeypatch.setenv("PATH", f"{notifier.parent}{os.pathsep}{os.environ['PATH']}")
    config = ["--config", tmp_path / "watch.toml"]
    done = ldrps("watch", *config, "--once", "--no-start", "--address", daemon.address)
    assert done.returncode == 3, done.stderr
    assert is_result_of(tmp_path / "one" / "a_restored.png", 0)
    assert is_result_of(tmp_path / "out" / "a.new.png", 1)
    recipes = [job.settings.recipe for job in daemon.stub.ListJobs(_list_all()).jobs]
    assert sorted(recipes) == ["auto", "haze"]
    assert wait_until(
        lambda: reported.exists() and "bad.jpg could not be restored" in reported.read_text()
    )
    assert "Photos restored: " in reported.read_text()


@pytest.mark.e2e
def test_a_terminal_shows_progress_and_rate(daemon, inside, out):
    for number, name in enumerate(("0", "1", "2", "3")):
        write_photo(inside / f"{name}.png", number)
    write_photo(inside / "4.png", 3)
    (inside / "bad.jpg").write_bytes(b"no photo")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ldrps_client.cli", "watch", str(inside), "--out", str(out)]
    command += ["--once", *QUICK, "--address", daemon.address]
    surroundings = environment() | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, env=surroundings, stderr=theirs) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: read_terminal(ours), b"")).decode()
    os.close(ours)
    assert process.returncode == 3
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    assert re.search(r"done +[34]\.png: noise about 3, 0\.\d s", plain)
    assert re.search(r"failed +\S+/bad\.jpg: the file is not a photo", plain)
    assert re.search(r"duplicate +(4|3)\.png is the same photo as (3|4)\.png", plain)
    assert re.search(r"5/5.*0 to do, \d+ an hour", plain)


def read_terminal(descriptor):
    """Read what is written there; nothing when nobody can write any more."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


@pytest.mark.e2e
def test_one_folder_that_cannot_be_watched_is_reported_and_the_others_go_on(daemon, tmp_path):
    for name in ("one", "two"):
        write_photo(tmp_path / name / "a.png", 1)
    folders = [tmp_path / "one", tmp_path / "nowhere", tmp_path / "two"]
    arguments = ["watch", *folders, "--once", *QUICK, "--address", daemon.address]
    done = ldrps(*arguments, "--json-lines", "--log", tmp_path / "log")
    assert done.returncode == 2
    assert done.stderr.count("nowhere cannot be used") == 1
    (stopped,) = [event for event in events(done.stdout) if event["event"] == "stopped"]
    assert stopped["folder"] == str(tmp_path / "nowhere")
    # One log for all of them: a line is there once, and says which folder it is about.
    lines = (tmp_path / "log").read_text().splitlines()
    found = [line.split("  ")[1] for line in lines if " found  " in line]
    assert sorted(found) == [str(tmp_path / "one" / "a.png"), str(tmp_path / "two" / "a.png")]


@pytest.mark.e2e
def test_photos_do_not_care_whether_anybody_listens(daemon, inside, out):
    write_photo(inside / "a.png", 1)
    command = [sys.executable, "-m", "ldrps_client.cli", "watch", inside, "--out", out]
    command += ["--once", *QUICK, "--address", daemon.address, "--json-lines"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, env=environment(), stdout=full, timeout=60)
    assert done.returncode == 5
    assert names(out) == ["a_restored.png"]


@pytest.mark.e2e
def test_it_ends_when_its_reader_leaves(daemon, inside, out):
    command = [sys.executable, "-m", "ldrps_client.cli", "watch", inside, "--out", out]
    command += [*QUICK, "--address", daemon.address, "--json-lines"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe) as process:
        process.stdout.readline()
        process.stdout.close()
        write_photo(inside / "a.png", 1)
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_a_bug_in_one_folder_ends_the_process_for_systemd_to_restart(inside, monkeypatch, capsys):
    from ldrps_client.hotfolder.watcher import FolderWatcher

    def mistaken(self):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(FolderWatcher, "_scan_all", mistaken)
    assert main(["watch", str(inside), "--no-start"]) == 11
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err


def test_status_and_retry(inside, out, client, capsys):
    write_photo(inside / "a.png", 1)
    (inside / "bad.jpg").write_bytes(b"no photo")
    run_once(client, inside, out=out)
    capsys.readouterr()
    assert main(["watch", "--status", "--json"]) == 0
    (folder,) = json.loads(capsys.readouterr().out)["folders"]
    assert (folder["done"], folder["failed"], folder["running"]) == (1, 1, False)
    assert folder["failures"][0]["photo"] == "bad.jpg"
    assert "bad.jpg" in Path(folder["failed_csv"]).read_text()
    assert main(["watch", "--status"]) == 0
    text = capsys.readouterr().out
    assert "1 done" in text
    assert "not a photo" in text
    assert main(["watch", str(inside), "--retry-failed"]) == 0
    assert "1 queued again" in capsys.readouterr().out
    assert main(["watch", "--status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folders"][0]["queued"] == 1


@pytest.mark.parametrize("out", [[], ["--out", "out"]])
def test_a_mistyped_folder_is_refused_and_not_remembered(
    tmp_path, monkeypatch, capsys, state_home, out
):
    monkeypatch.chdir(tmp_path)
    assert main(["watch", "mistyped", *out, "--no-start"]) == 2
    assert capsys.readouterr().err == (
        f"ldrps: {tmp_path}/mistyped cannot be used: no such file or directory; "
        "give a folder that is there\n"
    )
    assert main(["watch", "--status"]) == 0
    assert capsys.readouterr().out == "no folder was ever watched\n"
    assert not any(state_home.rglob("*"))


def test_a_folder_that_is_gone_is_shown_so_and_can_be_forgotten(inside, out, client, capsys):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    assert main(["watch", "--forget"]) == 2
    assert "name each folder" in capsys.readouterr().err
    inside.rename(inside.with_name("moved"))
    assert main(["watch", "--status"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{inside.resolve()}: gone\n")
    assert "bring it back, or forget it with 'ldrps watch --forget FOLDER'" in shown
    assert main(["watch", "--forget", str(inside)]) == 0
    assert "is forgotten" in capsys.readouterr().out
    assert main(["watch", "--forget", str(inside)]) == 9
    assert "was never watched" in capsys.readouterr().err
    assert main(["watch", "--status"]) == 0
    assert capsys.readouterr().out == "no folder was ever watched\n"
    # What was made is recognised all the same.
    run_once(client, inside.with_name("moved"), out=out)
    assert names(out) == ["a_restored.png"]


def test_a_folder_that_is_watched_is_not_forgotten(inside, watch, capsys):
    watching = watch(inside)
    assert main(["watch", "--forget", str(inside)]) == 5
    assert "is watched already" in capsys.readouterr().err
    assert watching.watcher.state.ledger.is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["watch"], 2, "no folder is given"),
        (["watch", "in", "--config", "x"], 2, "leave them out here"),
        (["watch", "in", "--recipe", "magic"], 2, "recipe 'magic'"),
        (["watch", "in", "--hours", "late"], 2, "hours 'late'"),
        (["watch", "nowhere", "--once"], 2, "cannot be used"),
        (["watch", "never", "--status"], 9, "was never watched"),
        (["watch", "nowhere", "--install-service"], 2, "nowhere is not a folder"),
        (["watch", ".", "--once", "--install-service"], 2, "leave out --once"),
        (["watch", ".", "--once", "--log", "no/log"], 5, "no/log cannot be written"),
        (["watch", "--report", "."], 5, "is a folder"),
        (["watch", "--config", "none.toml"], 2, "none.toml cannot be read"),
    ],
)
def test_what_is_wrong_is_one_sentence(words, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1
