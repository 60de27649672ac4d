"""Throw-away Debians for tests of real programs, made once and kept in the user's cache.

Root rights are needed, and Debian's archive. `Missing` says in one line what else is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
MISSING = 3
"""Exit code of the scripts that make them."""
_SECONDS = 3600
# Command that leaves no process behind when it ends, and no /proc or /sys in a deleted root.
_ALONE = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]


class Missing(Exception):
    """This machine cannot make a root; the message says why."""


def cache(kind: str) -> Path:
    """The folder that holds roots of a kind."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ldrps" / kind


def find(kind: str, *names: str) -> Path | None:
    """The folder of the first root that is there, if this user can enter it."""
    there = [cache(kind) / name for name in names if (cache(kind) / name).is_dir()]
    return there[0] if there and os.geteuid() == 0 and shutil.which("unshare") else None


def check_rights() -> None:
    """Raise Missing if this user could not enter a root."""
    if os.geteuid() != 0:
        raise Missing("root rights are needed for a chroot")
    if not shutil.which("unshare"):
        raise Missing("the command unshare is not installed")


def make(kind: str, name: str, suite: str, packages: list[str]) -> Path:
    """Make a root of a suite with packages; returns its folder."""
    _check_mirror(suite)
    folder = cache(kind) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    _make(suite, folder, packages)
    return folder


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
            *_ALONE,
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
