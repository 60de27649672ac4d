"""The wheel as `pipx install` and `uv tool install` put it into a home, without a network.

The libraries are packed into wheels again from the environment of these tests, so that both tools
resolve what ours asks for as they do with a registry.
"""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from installed.conftest import CALL_SECONDS, clean_environment, closure
from support.daemon import ROOT

PHOTO = ROOT / "examples" / "haze.jpg"
PYTHON = ["--python", sys.executable]
OFFLINE = {"UV_OFFLINE": "1", "PIPX_DEFAULT_BACKEND": "uv"}
"""With pip, pipx begins by fetching the newest one."""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder of wheels: what the client and its page need."""
    folder = tmp_path_factory.mktemp("house")
    for name in closure({"ldrps", "starlette", "uvicorn"}) - {"ldrps"}:
        packed(importlib.metadata.distribution(name), folder)
    return folder


def packed(distribution, folder):
    """Pack what is installed of a distribution into a wheel again."""
    # The last of several: those for Python 2 come first.
    *_, tag = (
        line.partition(": ")[2]
        for line in distribution.read_text("WHEEL").splitlines()
        if line.startswith("Tag: ")
    )
    name = distribution.name.replace("-", "_").replace(".", "_")
    files = [path for path in distribution.files if is_of_wheel(path)]
    records = [path for path in files if path.name == "RECORD"]
    with zipfile.ZipFile(folder / f"{name}-{distribution.version}-{tag}.whl", "w") as archive:
        for path in files:
            if path not in records:
                archive.write(distribution.locate_file(path), path.as_posix())
        archive.writestr(records[0].as_posix(), "".join(f"{path},,\n" for path in files))


def is_of_wheel(path):
    """Leave out what an installer adds."""
    added = path.name in ("INSTALLER", "REQUESTED", "direct_url.json")
    return ".." not in path.parts and "__pycache__" not in path.parts and not added


class Home:
    """A user's home, where a tool puts commands."""

    def __init__(self, folder):
        self.folder = folder
        places = {"HOME": "", "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man"}
        places |= {"UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin", "UV_CACHE_DIR": "cache"}
        places |= {"XDG_RUNTIME_DIR": "", "TMPDIR": ""}
        self.places = {name: str(folder / place) for name, place in places.items()}

    def run(self, *command, code=0):
        """Return what a command prints; fails the test unless it ends with a code."""
        done = subprocess.run(
            list(map(str, command)),
            env=clean_environment() | self.places | OFFLINE,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def tool(name):
    """A tool's command, or the end of the test where it is not installed."""
    for each in {"uv", name}:
        pytest.importorskip(each, reason=f"{each} is not installed")
    return [sys.executable, "-m", name]


def check(home):
    """Try the command as a user does who has installed it and nothing else."""
    command = home.folder / "bin" / "ldrps"
    version = importlib.metadata.version("ldrps")
    assert home.run(command, "--version").split()[-1] == version
    assert "haz" in home.run(command, "diagnose", PHOTO)
    # What the plain wheel lacks is told, with what to install.
    assert "ldrps[daemon]" in home.run(command, "restore", PHOTO, code=7)
    # And the extra that was asked for is there.
    nobody = ["--no-browser", "--no-start", "--address", f"unix:{home.folder}/none"]
    assert "no daemon answers" in home.run(command, "web", *nobody, code=7)


def test_pipx_installs_the_wheel_and_removes_it(built, house, tmp_path):
    pipx, home = tool("pipx"), Home(tmp_path)
    offline = f"--pip-args=--no-index --find-links={house}"
    home.run(*pipx, "install", f"{built.wheel}[web]", offline, *PYTHON, "--quiet")
    check(home)
    # Man pages come along.
    assert (tmp_path / "man" / "man1" / "ldrps.1").exists()
    home.run(*pipx, "uninstall", "ldrps")
    assert not (tmp_path / "bin" / "ldrps").exists()
    assert not (tmp_path / "man" / "man1" / "ldrps.1").exists()


def test_uv_installs_the_wheel_and_removes_it(built, house, tmp_path):
    uv, home = tool("uv"), Home(tmp_path)
    offline = ["--no-index", "--find-links", house, *PYTHON]
    home.run(*uv, "tool", "install", f"{built.wheel}[web]", *offline)
    check(home)
    home.run(*uv, "tool", "uninstall", "ldrps")
    assert not (tmp_path / "bin" / "ldrps").exists()


@pytest.mark.parametrize("extras", ["daemon", "daemon,web,immich"])
def test_extras_can_be_resolved_together(built, tmp_path, extras):
    """Nothing is installed: what the environment of these tests has has to do."""
    uv, home = tool("uv"), Home(tmp_path)
    python = shutil.which("python", path=str(Path(sys.executable).parent)) or sys.executable
    options = ["--dry-run", "--no-index", "--python", python]
    reported = home.run(*uv, "pip", "install", *options, f"{built.wheel}[{extras}]")
    # Ours alone would take the place of what is there.
    changes = [line.split()[1] for line in reported.splitlines() if line.startswith((" + ", " - "))]
    assert {change.partition("==")[0] for change in changes} <= {"ldrps"}, reported


def test_a_library_that_cannot_be_had_is_reported_and_nothing_stays(built, tmp_path):
    pipx, home = tool("pipx"), Home(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    offline = f"--pip-args=--no-index --find-links={empty}"
    reported = home.run(*pipx, "install", built.wheel, offline, *PYTHON, code=1)
    assert "Error installing ldrps" in reported
    assert not (tmp_path / "bin" / "ldrps").exists()
