"""The systemd unit: valid, hardened, and the same command from anywhere."""

import os
import re
import sys
from pathlib import Path

import pytest

from ldrps_client.cli import main
from ldrps_client.cli._parser import build_parser
from ldrps_client.hotfolder.config import FolderConfig, WatchConfig
from ldrps_client.hotfolder.service import unit_text
from support.systemd import complaints


@pytest.fixture
def install(tmp_path, monkeypatch, capsys):
    """Writes the unit as if from a folder that has folders named as recipes; returns its text."""
    (tmp_path / "haze").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "argv", ["ldrps"])

    def write(*words):
        assert main(["watch", *words, "--install-service"]) == 0
        unit = tmp_path / "config" / "systemd" / "user" / "ldrps-watch.service"
        said = capsys.readouterr()
        assert str(unit) in said.out
        assert ("--only-if is called --filter now" in said.err) == ("--only-if" in " ".join(words))
        assert complaints(tmp_path, unit) == ""
        return unit.read_text()

    return write


def setting(text, name):
    (value,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return value.split()


def test_the_unit_is_valid_and_hardened(install, inside, out):
    text = install(str(inside), "--out", str(out))
    assert str(out) in setting(text, "ReadWritePaths")
    assert str(inside) not in setting(text, "ReadWritePaths")
    # Where everybody looks for the daemon's socket, if it can be written to.
    assert "%t" in setting(text, "ReadWritePaths")
    assert setting(text, "ProtectSystem") == ["strict"]
    # Older systemd protects files of ordinary users' services only then, and starts them only if
    # they ask for nothing that needs root.
    assert setting(text, "PrivateUsers") == ["yes"]
    assert "CapabilityBoundingSet=" not in text
    assert "\nProtectKernel" not in text
    # Else the daemon that it starts refuses the folder for its socket, and torch its work.
    assert setting(text, "RuntimeDirectoryMode") == ["0700"]
    # And so that it looks for the ledger where a terminal does.
    home = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']}"
    assert {"TMPDIR=%t/ldrps", home} <= set(setting(text, "Environment"))


def test_the_unit_runs_the_same_command_from_anywhere(install, inside, tmp_path):
    text = install(
        *("in", "--out=new", "--recipe", "haze", "--no-recursive", "--filter", "noise>5"),
        *("--filter", "haze>0.5", "--pause-on-battery", "--settle", "2", "--log", "logs.txt"),
        *("--address", "127.0.0.1:5000", "--json-lines", "--no-start"),
    )
    _, _, _, *words = setting(text, "ExecStart")
    assert words == [
        *("watch", str(inside), f"--out={tmp_path}/new", "--recipe=haze", "--settle=2.0"),
        *("--filter=noise>5", "--filter=haze>0.5", "--no-recursive"),
        *("--pause-on-battery", "--json-lines", f"--log={tmp_path}/logs.txt", "--no-start"),
        "--address=127.0.0.1:5000",
    ]
    assert {f"{tmp_path}/new", str(tmp_path)} <= set(setting(text, "ReadWritePaths"))
    # Which the command takes as it stands.
    assert build_parser().parse_args(words).recursive is False


def test_a_former_option_is_taken_and_written_under_its_name_of_today(install, inside, tmp_path):
    text = install(str(inside), f"--out={tmp_path}/new", "--only-if=noise>5", "--filter=grey")
    assert {"--filter=noise>5", "--filter=grey"} <= set(setting(text, "ExecStart"))
    assert "only-if" not in text


def test_odd_paths_in_the_unit():
    config = WatchConfig(folders=(FolderConfig(root=Path("/my photos/100%")),))
    text = unit_text(config, ["/usr/bin/ldrps", "watch", "/my photos/100%", "$HOME", 'say "x"'])
    assert 'ExecStart=/usr/bin/ldrps watch "/my photos/100%%" $$HOME "say \\"x\\""' in text
    assert 'ReadWritePaths="/my photos/100%%"' in text
    priced = WatchConfig(folders=(FolderConfig(root=Path("/photos/$5")),))
    assert setting(unit_text(priced, []), "ReadWritePaths")[0] == "/photos/$5"
