"""Killed with SIGKILL at every step, and at random in a storm: one good result for each photo."""

import subprocess
import sys

import pytest

from benchmarks.hotfolder_storm import Storm
from support.daemon import environment


@pytest.mark.timeout(600)
@pytest.mark.parametrize("where", ["apart", "beside", "sidecar", "late"])
def test_killed_at_every_step_that_reaches_the_disk(tmp_path, where):
    command = [sys.executable, "-m", "hotfolder.kill_points", str(tmp_path), where]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 30
    assert [line for line in lines if not line.endswith(" good")] == []


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_of_careless_writers_and_kills(tmp_path, monkeypatch):
    seed = 5
    print(f"seed {seed}")
    storm = Storm(tmp_path.resolve(), photos=100, kills=10, seed=seed, setenv=monkeypatch.setenv)
    outcome = storm.run()
    assert outcome.is_clean, outcome
    assert set(outcome.kills) == {"watcher", "daemon", "worker"}
