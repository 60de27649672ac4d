"""`ldrps completion`, asked in the shells themselves."""

import shutil
import subprocess

import pytest

from ldrps_client.cli import main
from ldrps_client.cli._completion import SHELLS
from ldrps_engine.settings import RECIPES

BASH = """
source {script}
COMP_WORDS=({words} "")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_ldrps
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "source {script}; complete -C 'ldrps {words} ' | cut -f1"


@pytest.fixture
def script(capsys, tmp_path):
    def write(shell):
        assert main(["completion", shell]) == 0
        path = tmp_path / shell
        path.write_text(capsys.readouterr().out)
        return path

    return write


def run(shell, *words):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_reads_its_script(shell, script):
    assert run(shell, "-n", str(script(shell))) == ""


def test_bash_offers_commands_and_recipes(script):
    path = script("bash")
    offered = run("bash", "-c", BASH.format(script=path, words="ldrps restore --recipe"))
    assert set(offered.split()) == set(RECIPES)
    offered = run("bash", "-c", BASH.format(script=path, words="ldrps darktable"))
    assert {"install", "doctor"} <= set(offered.split())


def test_fish_offers_recipes_and_actions(script):
    path = script("fish")
    offered = run("fish", "-c", FISH.format(script=path, words="restore --recipe"))
    assert set(RECIPES) <= set(offered.split())
    offered = run("fish", "-c", FISH.format(script=path, words="gimp"))
    assert {"install", "doctor"} <= set(offered.split())


def test_another_shell_is_refused_in_a_sentence(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "choose from" in capsys.readouterr().err


def test_it_is_written_where_asked_or_why_not_is_reported(capsys, tmp_path):
    path = tmp_path / "new" / "ldrps.fish"
    assert main(["completion", "fish", "-o", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert "ldrps" in path.read_text()
    assert main(["completion", "fish", "-o", str(path / "below")]) == 5
    assert "cannot be written" in capsys.readouterr().err
