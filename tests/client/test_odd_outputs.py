"""Output that goes nowhere, and words that are not text."""

import errno
import json
import os
import subprocess
import sys

import pytest

from ldrps_client._text import cause_and_remedy
from ldrps_client.cli import main
from ldrps_engine.errors import SettingsError
from ldrps_engine.settings import Settings
from support.daemon import environment


def run(*words, **streams):
    command = [sys.executable, "-m", "ldrps_client.cli", *words]
    return subprocess.run(command, env=environment(), timeout=120, **streams)


@pytest.mark.parametrize("way", [[], ["--json"]])
def test_a_full_disk_at_the_other_end_of_the_output_is_one_sentence(tmp_path, way):
    address = f"unix:{tmp_path}/s"
    with open("/dev/full", "w") as full:
        done = run("diagnose", "nowhere.png", *way, stdout=full, stderr=subprocess.PIPE)
        status = run("stop", "--address", address, *way, stdout=full, stderr=subprocess.PIPE)
    words = "what is to be printed cannot be written (no space left on device); make room"
    assert status.returncode == 5
    assert words in status.stderr.decode()
    assert done.returncode == (5 if way else 3)
    for each in (done, status):
        assert b"Traceback" not in each.stderr
        assert b"unforeseen" not in each.stderr
        assert b"Exception ignored" not in each.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["--version"], ["restore", "--help"], ["serve", "--help"]),
        *(["diagnose", "PHOTO"], ["diagnose", "PHOTO", "--json"], ["completion", "fish"]),
        *(["watch", "--status"], ["watch", "--status", "--json"], ["gimp", "doctor"]),
    ],
)
def test_output_that_is_lost_is_no_success(tmp_path, photo, words, unbuffered):
    """The interpreter itself passes over it, or ends with a stack trace, by its own buffering."""
    words = [str(photo) if word == "PHOTO" else word for word in words]
    surroundings = environment() | {
        "PYTHONUNBUFFERED": unbuffered,
        "XDG_STATE_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "ldrps_client.cli", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, env=surroundings, timeout=120, stdout=full, stderr=subprocess.PIPE
        )
    said = done.stderr.decode()
    # A doctor that found something wrong has a code for that.
    assert done.returncode in ((5, 9) if words == ["gimp", "doctor"] else (5,)), said
    (sentence,) = said.splitlines()
    assert "cannot be written (no space left on device); make room" in sentence


def test_where_nothing_can_be_said_there_is_still_the_exit_code(tmp_path):
    with open("/dev/full", "w") as full:
        done = run("stop", "--json", "--address", f"unix:{tmp_path}/s", stdout=full, stderr=full)
    assert done.returncode == 5


@pytest.mark.parametrize(
    "words",
    [
        ["restore", "in.png", "--description", os.fsdecode(b"caf\xe9")],
        ["restore", "in.png", "--model", os.fsdecode(b"caf\xe9")],
        ["cancel", os.fsdecode(b"\xff")],
        ["models", "show", os.fsdecode(b"\xff")],
        ["watch", ".", "--keyword", os.fsdecode(b"\xff"), "--once"],
    ],
)
def test_words_that_are_no_text_are_refused(capsys, words):
    assert main([*words, "--json"] if words[0] != "watch" else words) == SettingsError.exit_code
    reported = capsys.readouterr()
    assert "is not text; give it in UTF-8" in reported.err
    if words[0] != "watch":
        assert json.loads(reported.out)["error"]["reason"] == "settings"


@pytest.mark.parametrize("name", ["description", "model", "describer"])
def test_nor_does_the_library_take_them(name):
    with pytest.raises(SettingsError, match=f"{name} is not text"):
        Settings(**{name: os.fsdecode(b"caf\xe9")})


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "change its permissions"),
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "choose another place"),
        (errno.EPIPE, "try again once that is put right"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(number, remedy):
    error = OSError(number, os.strerror(number), "out.png")
    assert cause_and_remedy(error) == f"{os.strerror(number).lower()}; {remedy}"
