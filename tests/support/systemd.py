"""Verdict of systemd itself on our units."""

import os
import shutil
import subprocess

import pytest


def complaints(folder, *units):
    """Return complaints of `systemd-analyze verify`, or ""; `folder` is for its own use."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, units)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr or done.returncode == 0
    return done.stderr
