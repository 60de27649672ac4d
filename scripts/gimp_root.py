"""Make a throw-away Debian with a real GIMP 3 for tests: `scripts/gimp_root.py [SUITE] [--window]`.

Prints the folder. It is made once and kept in the user's cache; a later call only prints it. Root
rights are needed, and Debian's archive. Where something is missing, one line says what, and the
exit code is 3.

SUITE is trixie (GIMP 3.0) or forky (GIMP 3.2); `--window` adds what a real window needs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

SUITES = ("trixie", "forky")
MIRROR = "http://deb.debian.org/debian"
MISSING = 3
_CONSOLE = "gimp,gir1.2-gimp-3.0,python3-gi,fonts-dejavu-core"
_WINDOW = "xvfb,xauth,dbus,xdotool,imagemagick,openbox,procps,adwaita-icon-theme"
_SECONDS = 900


class Missing(Exception):
    """This machine cannot make a root; the message says why."""


def main() -> int:
    """Make the root unless it is there, and print its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="trixie", choices=SUITES)
    parser.add_argument("--window", action="store_true")
    given = parser.parse_args()
    try:
        print(gimp_root(given.suite, window=given.window))
    except Missing as error:
        print(f"no GIMP to test with: {error}", file=sys.stderr)
        return MISSING
    return 0


def find_root(suite: str, *, window: bool = False) -> Path | None:
    """The folder of a root that is there, if this user can enter it."""
    cache = _cache()
    names = [f"{suite}-window"] if window else [f"{suite}-window", suite]
    there = [cache / name for name in names if (cache / name).is_dir()]
    return there[0] if there and os.geteuid() == 0 and shutil.which("unshare") else None


def gimp_root(suite: str, *, window: bool = False) -> Path:
    """The folder of a root with GIMP, made if need be; Missing says why there can be none."""
    if os.geteuid() != 0:
        raise Missing("root rights are needed for a chroot")
    if not shutil.which("unshare"):
        raise Missing("the command unshare is not installed")
    if there := find_root(suite, window=window):
        return there
    _check_mirror(suite)
    folder = _cache() / (f"{suite}-window" if window else suite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _make(suite, folder, [_CONSOLE, _WINDOW] if window else [_CONSOLE])
    return folder


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ldrps" / "gimp"


def _check_mirror(suite: str) -> None:
    try:
        with urllib.request.urlopen(f"{MIRROR}/dists/{suite}/Release", timeout=20):
            pass
    except OSError as error:
        raise Missing(f"{MIRROR} does not answer ({error})") from None


def _make(suite: str, folder: Path, packages: list[str]) -> None:
    """Into a folder of another name first, so that a root is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as work:
        made = Path(work) / "root"
        command = [
            *_mmdebstrap(Path(work)),
            "--quiet",
            "--variant=minbase",
            "--mode=root",
            '--aptopt=APT::Install-Recommends "false"',
            # A suite in the making may be older than it says it may be; this root is thrown away.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            f"--include={','.join(packages)}",
            suite,
            str(made),
            MIRROR,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise Missing(f"mmdebstrap took more than {_SECONDS} seconds") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise Missing(f"mmdebstrap failed ({lines[-1]})")
        made.rename(folder)


def _mmdebstrap(work: Path) -> list[str]:
    """The command; from its Debian package, unpacked but not installed, if it is missing."""
    if program := shutil.which("mmdebstrap"):
        return [program]
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Missing("the command mmdebstrap is not installed")
    fetch = ["apt-get", "-qq", "download", "mmdebstrap"]
    for command in (fetch, ["apt-get", "-qq", "update"], fetch):
        if subprocess.run(command, cwd=work, capture_output=True).returncode:
            continue
        if packages := list(work.glob("mmdebstrap_*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(work / "m")], check=True)
            return [str(work / "m" / "usr" / "bin" / "mmdebstrap")]
    raise Missing("the command mmdebstrap is not installed and cannot be fetched")


if __name__ == "__main__":
    sys.exit(main())
