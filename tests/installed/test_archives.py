"""Contents of the wheel and of the source archive."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from installed.conftest import build, tracked

OURS = (
    *("ldrps", "ldrps_engine", "ldrps_client", "ldrps_daemon", "ldrps_wire"),
    *("ldrps_plugin_gimp", "ldrps_integrations"),
)
HOMES = {
    "proto/ldrps/": "ldrps/",
    "daemon/": "",
    "ldrps_engine/": "ldrps_engine/",
    "plugin_gimp/ldrps/": "ldrps_plugin_gimp/ldrps/",
    "packaging/systemd/": "ldrps_daemon/units/",
    "integrations/darktable/": "ldrps_integrations/darktable/",
    "packaging/man/": "share/man/man1/",
}
"""Places of folders' files in the wheel. No other folder has any there."""


DATA = r"^ldrps-[^/]+\.data/data/"
"""Folder of a wheel whose files go to where Python itself was installed."""


@pytest.fixture(scope="module")
def in_wheel(built):
    with zipfile.ZipFile(built.wheel) as archive:
        return set(archive.namelist())


def test_the_source_archive_has_all_that_the_repository_has(built):
    with tarfile.open(built.sdist) as archive:
        paths = (PurePosixPath(member.name) for member in archive if member.isfile())
        held = {str(PurePosixPath(*path.parts[1:])) for path in paths}
    assert set(tracked()) - held == set()
    # Of what it has besides, nothing was made by running things here.
    assert not [name for name in held if "__pycache__" in name or "node_modules" in name]


def test_the_wheel_has_our_packages_whole_and_nothing_else(in_wheel):
    expected = {
        name.replace(home, there, 1)
        for name in tracked()
        for home, there in HOMES.items()
        if name.startswith(home)
    }
    held = {re.sub(DATA, "", name) for name in in_wheel if ".dist-info/" not in name}
    assert held == expected
    assert {name.split("/")[0] for name in held} == {*OURS, "share"}


def test_the_wheel_has_the_units_and_no_script_that_builds(in_wheel):
    assert {"ldrps_daemon/units/ldrps.service", "ldrps_daemon/units/ldrps.socket"} <= in_wheel
    names = {PurePosixPath(name).name for name in in_wheel}
    assert not names & {"generate.py", "pack.py", "translations.py", "setup_environment.py"}
    assert "ldrps_plugin_gimp/guide.py" not in in_wheel


def test_the_wheel_is_the_same_whenever_and_wherever_it_is_built(built, tmp_path):
    wheels = []
    for name, age in (("one", 10**6), ("another/folder", 10**8)):
        tree = tmp_path / name
        shutil.copytree(built.tree, tree, ignore=shutil.ignore_patterns("build", "*.egg-info"))
        for path in tree.rglob("*"):
            os.utime(path, (10**9 + age, 10**9 + age))
        out = tmp_path / f"out-{age}"
        wheels.append(build("wheel", tree, out, SOURCE_DATE_EPOCH="1700000000", TZ=f"UTC{age % 7}"))
    first, second = (wheel.read_bytes() for wheel in wheels)
    assert wheels[0].name == wheels[1].name
    assert first == second
    with zipfile.ZipFile(wheels[0]) as archive:
        assert {entry.date_time[:3] for entry in archive.infolist()} == {(2023, 11, 14)}


def test_a_registry_would_take_both(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_names_its_licences(built):
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
        held = {each for each in archive.namelist() if ".dist-info/licenses/" in each}
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nProject-URL: " in metadata
    assert len(held) == metadata.count("\nLicense-File: ") == 2
