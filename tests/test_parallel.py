"""A run in several processes, as `make test` has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.parallel import group_of

CONFTEST = """
from support.parallel import scheduler


def pytest_xdist_make_scheduler(config, log):
    return scheduler(config, log)
"""
MODULE = """
import os, pathlib, time, pytest

@pytest.fixture(scope="module")
def costly():
    time.sleep(0.2)
    with open("{log}", "a") as log:
        log.write(f"{{os.getpid()}}\\n")

@pytest.mark.parametrize("n", range(6))
def test_something(costly, n):
    pass
"""


def test_fixtures_of_a_file_are_made_once_and_files_run_side_by_side(tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    logs = [tmp_path / f"{n}.log" for n in range(4)]
    for n, log in enumerate(logs):
        (tmp_path / f"test_{n}.py").write_text(MODULE.format(log=log))
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadscope", str(tmp_path)]
    tests = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": tests}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    made = [log.read_text().split() for log in logs]
    assert [len(each) for each in made] == [1] * 4
    assert len({each[0] for each in made}) == 2


@pytest.mark.parametrize(
    ("node_id", "group"),
    [
        ("tests/engine/test_crop.py::test_it[a::b]", "tests/engine/test_crop.py"),
        ("tests/installed/test_tools.py::test_it", "installed"),
        ("tests/hotfolder/test_kills.py::test_it[a]", "tests/hotfolder/test_kills.py::test_it[a]"),
        ("tests/test_docs.py::test_it", "tests/test_docs.py"),
    ],
)
def test_a_test_belongs_to_its_file_unless_its_folder_is_one_or_it_is_alone(node_id, group):
    assert group_of(node_id) == group
