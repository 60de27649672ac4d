"""Make a Debian package: `python packaging/debian/package.py [OUT]`, or `make deb`.

Needs dpkg-dev and debhelper. The libraries are fetched as pip is set up to; --extras chooses those
of the daemon, the page and Immich. Exit code 3: something that it needs is missing, in one line.
"""

from __future__ import annotations

import argparse
import email.utils
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MISSING = 3
_PYTHON = "/usr/bin/python3"
_OLDEST = (3, 11)
_SHELLS = {"bash": "ldrps", "zsh": "_ldrps", "fish": "ldrps.fish"}
_BUILD = "from setuptools import build_meta; print(build_meta.build_wheel(r'{}'))"
_MAINTAINER = "LD-RPS Restore <ldrps@users.noreply.github.com>"


class Missing(Exception):
    """A lack of this machine, in one sentence."""


def main() -> int:
    """Make the package and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("out", nargs="?", default=ROOT / "dist", type=Path)
    add("--wheel", type=Path, help="package this one (default: build it)")
    add("--extras", default="daemon,web,immich", help="of the wheel (default: %(default)s)")
    add(
        "--pip",
        action="append",
        default=[],
        metavar="OPTION",
        help="more for pip, such as --no-deps",
    )
    given = parser.parse_args()
    try:
        check()
        print(make(given.out.resolve(), given.wheel, given.extras, given.pip))
    except Missing as error:
        print(f"no Debian package can be made here: {error}", file=sys.stderr)
        return MISSING
    return 0


def check() -> None:
    """Raise Missing unless all is there that makes packages."""
    for program, package in (("dpkg-buildpackage", "dpkg-dev"), ("dh", "debhelper")):
        if not shutil.which(program):
            raise Missing(f"the command {program} is not installed; apt-get install {package}")
    if not os.path.exists(_PYTHON):
        raise Missing(f"{_PYTHON} is not installed; apt-get install python3-venv")
    if _version(_PYTHON) < _OLDEST:
        raise Missing(f"{_PYTHON} is older than {'.'.join(map(str, _OLDEST))}")


def _version(python: str) -> tuple[int, ...]:
    words = "import sys; print(*sys.version_info[:2])"
    return tuple(map(int, _output([python, "-c", words]).split()))


def make(out: Path, wheel: Path | None, extras: str, pip: list[str]) -> Path:
    """Build the package in a folder that goes afterwards; returns where it is."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with tempfile.TemporaryDirectory(prefix="ldrps-deb-") as work:
        tree = Path(work) / f"ldrps-{version}"
        stage(tree, version, libraries="--no-deps" not in pip)
        wheel = wheel or _wheel(Path(work))
        what = f"{wheel.resolve()}[{extras}]" if extras else str(wheel.resolve())
        options = [
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            "--no-warn-script-location",
        ]
        options += [*pip, "--constraint", str(ROOT / "constraints.txt")]
        told = {
            "LDRPS_PIP": f"{sys.executable} -m pip",
            "LDRPS_OPTIONS": " ".join(options),
            "LDRPS_WHAT": f"'{what}'",
            "SOURCE_DATE_EPOCH": str(_when()),
        }
        command = ["dpkg-buildpackage", "--build=binary", "--no-sign", "--no-check-builddeps"]
        done = subprocess.run(
            command, cwd=tree, env=os.environ | told, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"dpkg-buildpackage failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        (made,) = Path(work).glob("*.deb")
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(made, out / made.name))


def stage(tree: Path, version: str, *, libraries: bool) -> None:
    """Put everything but the wheel where debian/rules looks for it."""
    shutil.copytree(HERE / "debian", tree / "debian")
    shutil.copy(HERE / "tidy.py", tree)
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tree)
    for page in (ROOT / "packaging" / "man").glob("*.1"):
        shutil.copy(page, tree)
    _units(tree)
    _completions(tree / "completions")
    who = f"{os.environ['DEBFULLNAME']} <{os.environ['DEBEMAIL']}>" if _is_named() else _MAINTAINER
    # Wheels bring all libraries but these two.
    needed = "libc6 (>= 2.28), libstdc++6" if libraries else "libc6"
    licence = ROOT / "plugin_gimp" / "ldrps" / "ldrps_gimp" / "vendor" / "hpack" / "LICENSE"
    expat = licence.read_text().partition("\n\n")[2]
    words = {"@MAINTAINER@": who, "@LIBRARIES@": needed, "@EXPAT@": _indented(expat)}
    for template in (tree / "debian").glob("*.in"):
        text = template.read_text()
        for mark, value in words.items():
            text = text.replace(mark, value)
        template.with_suffix("").write_text(text)
        template.unlink()
    (tree / "debian" / "changelog").write_text(
        f"ldrps ({version}-1) unstable; urgency=medium\n\n"
        f"  * Release {version}; CHANGELOG.md tells what is new.\n\n"
        f" -- {who}  {email.utils.formatdate(_when())}\n"
    )


def _is_named() -> bool:
    return bool(os.environ.get("DEBFULLNAME") and os.environ.get("DEBEMAIL"))


def _indented(text: str) -> str:
    lines = textwrap.dedent(text).strip().splitlines()
    return "\n".join(f" {line}" if line.strip() else " ." for line in lines)


def _units(tree: Path) -> None:
    """Copy the units, with where the command is."""
    for unit in (ROOT / "packaging" / "systemd").glob("ldrps.*"):
        lines = unit.read_text().replace("%h/.local/bin/ldrps", "/usr/bin/ldrps").splitlines()
        while lines[0].startswith("#"):
            # How to install it by hand.
            del lines[0]
        (tree / unit.name).write_text("\n".join([*lines, ""]))


def _completions(folder: Path) -> None:
    folder.mkdir()
    for shell, name in _SHELLS.items():
        command = [sys.executable, "-m", "ldrps_client.cli", "completion", shell]
        (folder / name).write_text(_output(command))


def _wheel(folder: Path) -> Path:
    made = _output([sys.executable, "-c", _BUILD.format(folder)], cwd=ROOT)
    return folder / made.split()[-1]


def _when() -> int:
    """Return the time that all files get: that of the last commit, unless told otherwise."""
    if told := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(told)
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True
    )
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else int(time.time())


def _output(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
