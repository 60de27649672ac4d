"""`ldrps darktable install` and `doctor`: what is written, and what is found wrong."""

import json
import os
import stat

import pytest

from ldrps_client.cli import _darktable, _darktable_folders, main
from ldrps_client.cli._darktable_folders import Program, fault_of_program, find_program

OLD = """this is darktable {version}
compile options:
  OpenCL support enabled
  Lua support {lua}, API version 9.0.0
"""
NEW = """darktable 5.0.1
Copyright (C) 2012-2025 Johannes Hanika and other contributors.
Compile options:
  OpenCL                 -> ENABLED
  Lua                    -> ENABLED  - API version 9.4.0
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with a darktable that has been started, and no daemon."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "LOCALAPPDATA", "LDRPS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_darktable_folders.shutil, "which", lambda name: None)
    (tmp_path / ".config/darktable").mkdir(parents=True)
    return tmp_path


def settings(home):
    return home / ".config/darktable"


def faults(capsys):
    capsys.readouterr()
    code = main(["darktable", "doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert (code == 0) == all(finding["fine"] for finding in findings)
    return [f["words"] for f in findings if not f["fine"]]


def test_install_copies_the_script_and_has_it_loaded_once(home, capsys):
    (settings(home) / "luarc").write_bytes(b"-- mine \xff\nrequire 'other'")
    for _ in range(2):
        assert main(["darktable", "install"]) == 0
    assert "Restart darktable" in capsys.readouterr().out
    lines = (settings(home) / "luarc").read_bytes().splitlines()
    assert lines[:2] == [b"-- mine \xff", b"require 'other'"]
    assert [line[:22] for line in lines[2:]] == [b'require "ldrps/ldrps" ']
    folder = settings(home) / "lua/ldrps"
    assert sorted(path.name for path in folder.iterdir()) == ["command.txt", "ldrps.lua"]
    assert os.access((folder / "command.txt").read_text().strip(), os.X_OK)
    assert faults(capsys) == []


def test_a_start_file_that_is_a_link_stays_one(home):
    kept = home / "dotfiles"
    kept.write_text("-- mine\n")
    kept.chmod(0o640)
    (settings(home) / "luarc").symlink_to(kept)
    assert main(["darktable", "install"]) == 0
    assert (settings(home) / "luarc").is_symlink()
    assert "ldrps/ldrps" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


def test_without_a_darktable_it_says_what_to_do(home, capsys):
    settings(home).rmdir()
    assert main(["darktable", "install"]) == 9
    assert "start darktable once" in capsys.readouterr().err
    (home / ".var/app/org.darktable.Darktable").mkdir(parents=True)
    assert main(["darktable", "install"]) == 9
    assert "from Flatpak" in capsys.readouterr().err


def test_what_cannot_be_written_is_named_and_nothing_is_half_done(home, capsys):
    (settings(home) / "lua").write_text("a file")
    assert main(["darktable", "install"]) == 5
    assert "cannot be written" in capsys.readouterr().err
    assert not (settings(home) / "luarc").exists()


def test_the_doctor_finds_each_fault(home, capsys):
    assert "the script is not there" in faults(capsys)[0]
    main(["darktable", "install"])
    folder = settings(home) / "lua/ldrps"
    (folder / "command.txt").write_text("/nowhere/ldrps\n")
    assert "cannot run /nowhere/ldrps" in faults(capsys)[0]
    (settings(home) / "luarc").write_text('-- require "ldrps/ldrps"\n')
    assert "luarc does not load the script" in faults(capsys)[0]
    (folder / "ldrps.lua").write_text("-- older")
    assert "another version" in faults(capsys)[0]


def test_the_general_report_names_them_where_it_was_installed(home, capsys):
    def problems():
        capsys.readouterr()
        main(["doctor", "--json"])
        report = json.loads(capsys.readouterr().out)
        return [words for words in report["problems"] if "darktable" in words]

    assert problems() == []
    main(["darktable", "install"])
    assert problems() == []
    (settings(home) / "luarc").unlink()
    assert problems() == [
        "in darktable: luarc does not load the script; run 'ldrps darktable install' again"
    ]


def answering(folder, text):
    """A program that prints a text, as a darktable asked for its version."""
    (folder / "answer").write_text(text)
    program = folder / "darktable"
    program.write_text(f"#!/bin/sh\ncat '{folder}/answer'\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("text", "expected", "fault"),
    [
        (OLD.format(version="4.2.1", lua="enabled"), Program((4, 2, 1), True), None),
        (NEW, Program((5, 0, 1), True), None),
        (OLD.format(version="4.0", lua="enabled"), Program((4, 0), True), "too old"),
        (OLD.format(version="4.4.2", lua="disabled"), Program((4, 4, 2), False), "without Lua"),
        ("no such option", None, None),
    ],
)
def test_darktables_own_words_tell_its_version_and_lua(
    text, expected, fault, tmp_path, monkeypatch
):
    program = answering(tmp_path, text)
    monkeypatch.setattr(_darktable_folders.shutil, "which", lambda name: program)
    assert find_program() == expected
    said = fault_of_program(find_program())
    assert said is None if fault is None else fault in said
    assert [each.fine for each in _darktable.check_program()] == ([not fault] if expected else [])
