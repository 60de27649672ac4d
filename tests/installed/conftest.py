"""The distribution as a user gets it: built here, installed into fresh environments elsewhere.

Nothing is fetched. What others wrote comes from the interpreter that runs the tests, through a .pth
file; what is ours comes from the wheel alone.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.daemon import ROOT

BUILD = "from setuptools import build_meta; print(build_meta.build_{}(r'{}'))"
CALL_SECONDS = 400


@dataclass(frozen=True)
class Built:
    tree: Path
    """The files of the repository, and no others."""
    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Environment:
    folder: Path

    @property
    def python(self):
        return self.folder / "bin" / "python"

    def run(self, *command, cwd="/", **more):
        """Run a command of this environment as a user does, from a folder that is none of ours."""
        words = [str(self.folder / "bin" / command[0]), *map(str, command[1:])]
        own = self.folder / "home"
        own.mkdir(exist_ok=True)
        private = {"HOME": str(own), "XDG_RUNTIME_DIR": str(own)}
        return subprocess.run(
            words,
            cwd=cwd,
            env=clean_environment() | private | more,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
        )


def clean_environment():
    """Environment without this test run's own paths."""
    unwanted = ("PYTHONPATH", "LDRPS_", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def tracked():
    """Names of the files that belong to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("this is no checkout, so that nothing says which files belong to it")
    names = filter(None, done.stdout.decode().split("\0"))
    return sorted(name for name in names if (ROOT / name).is_file())


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Source archive, and the wheel that was built from it alone."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    sdist = build("sdist", tree, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Built(tree, sdist, build("wheel", unpacked, folder))


def build(kind, source, out, **more):
    """Build a distribution of what lies in a folder; `more` is added to the environment."""
    command = [sys.executable, "-c", BUILD.format(kind, out)]
    surroundings = os.environ | more
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


def site_packages():
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def fresh(folder, libraries, *what):
    """An environment that finds others' packages in some folders, with `what` installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (place,) = folder.glob("lib/python3*/site-packages")
    (place / "others.pth").write_text("".join(f"{path}\n" for path in libraries))
    environment = Environment(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(environment.python), "install", "-q"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, *offline, *map(str, what)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return environment


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory):
    """`pip install ldrps[daemon]` from the wheel."""
    return fresh(tmp_path_factory.mktemp("wheel"), site_packages(), built.wheel)


@pytest.fixture(scope="session")
def editable(built, tmp_path_factory):
    """`pip install -e .[daemon]` as the README has it."""
    return fresh(tmp_path_factory.mktemp("editable"), site_packages(), "-e", built.tree)


@pytest.fixture(scope="session")
def plain(built, tmp_path_factory):
    """`pip install ldrps` without any extra: nothing but what the client needs is in reach."""
    others = tmp_path_factory.mktemp("others")
    for name in closure({"ldrps"}) - {"ldrps"}:
        distribution = importlib.metadata.distribution(name)
        for top in {path.parts[0] for path in distribution.files or ()} - {".."}:
            if not (others / top).exists():
                (others / top).symlink_to(distribution.locate_file(top))
    return fresh(tmp_path_factory.mktemp("plain"), [others], built.wheel)


def closure(names):
    """Distributions that some need, directly or not, with none of their extras."""
    known, new = set(), set(names)
    while new:
        known |= new
        lines = [line for name in new for line in importlib.metadata.requires(name) or ()]
        wanted = (Requirement(line) for line in lines)
        found = {w.name for w in wanted if not w.marker or w.marker.evaluate({"extra": ""})}
        new = found - known
    return known
