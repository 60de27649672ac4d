"""Conditions of a release: one version everywhere, dated changes, the same checks."""

import re
import tomllib
from datetime import date
from pathlib import Path

import yaml

from ldrps_gimp import VERSION
from support.parallel import APART, FIRST, TOGETHER

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def recipe(target):
    """Commands of a target in the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in lines.splitlines()]


def test_the_plug_in_has_the_projects_version():
    assert PROJECT["version"] == VERSION


def test_the_changelog_has_this_version_with_its_date():
    changes = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## ([\d.]+) \((.*)\)$", changes, re.MULTILINE)
    assert releases[0][0] == PROJECT["version"]
    days = [date.fromisoformat(day) for _, day in releases]
    assert days == sorted(days, reverse=True)


def test_before_a_commit_runs_what_make_check_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == recipe("check")


def jobs():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]


def test_hosted_ci_tries_each_python_that_is_supported():
    reported = {c.rpartition(":: ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c}
    tried = jobs()["linux"]["strategy"]["matrix"]["python"]
    assert reported == set(tried)
    assert PROJECT["requires-python"] == f">={tried[0]}"
    ran = [step.get("run", "") for step in jobs()["linux"]["steps"]]
    assert any(line.startswith("make test") for line in ran)


def test_hosted_ci_runs_folders_that_exist():
    systems = jobs()["elsewhere"]
    assert {name.split("-")[0] for name in systems["strategy"]["matrix"]["os"]} == {
        "macos",
        "windows",
    }
    ran = " ".join(step.get("run", "") for step in systems["steps"])
    folders = re.findall(r"\btests/\S+", ran)
    assert folders
    for folder in folders:
        assert list((ROOT / folder).glob("test_*.py")), folder


def test_every_test_is_run_by_make_test():
    """Tests left out of one of its runs are in the other."""
    reported = "\n".join(recipe("test"))
    for target in ("check", "test-fast", "test-models"):
        assert re.search(rf"\b{target}\b", reported), target
    parts = [*recipe("test-fast"), *recipe("test-models")]
    assert parts == ["$(PYTEST) $(COVERED) $(FAST)", "$(PYTEST) $(FAST:%=--ignore=%)"]
    makefile = (ROOT / "Makefile").read_text()
    fast = re.search(r"^FAST := (.*)$", makefile, re.MULTILINE)[1].split()
    assert fast
    assert all((ROOT / folder).is_dir() for folder in fast)
    # Nothing is deselected by a marker.
    started = re.search(r"^PYTEST = (.*)$", makefile, re.MULTILINE)[1]
    commands = " ".join([started, *parts])
    assert " -m " not in commands.replace("python -m pytest", "")


def test_folders_that_a_parallel_run_knows_exist():
    for name in (*TOGETHER, *FIRST):
        assert list((ROOT / "tests" / name).glob("test_*.py")), name
    for name in APART:
        assert (ROOT / "tests" / name).is_file(), name
