"""Contents of the wheel and of the source archive."""

import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from installed.conftest import tracked

OURS = ("ldrps", "ldrps_engine", "ldrps_client", "ldrps_daemon", "ldrps_wire", "ldrps_plugin_gimp")
HOMES = {
    "proto/ldrps/": "ldrps/",
    "daemon/": "",
    "ldrps_engine/": "ldrps_engine/",
    "plugin_gimp/ldrps/": "ldrps_plugin_gimp/ldrps/",
    "packaging/systemd/": "ldrps_daemon/units/",
}
"""Places of folders' files in the wheel. No other folder has any there."""


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
    held = {name for name in in_wheel if ".dist-info/" not in name}
    assert held == expected
    assert {name.split("/")[0] for name in held} == set(OURS)


def test_the_wheel_has_the_units_and_no_script_that_builds(in_wheel):
    assert {"ldrps_daemon/units/ldrps.service", "ldrps_daemon/units/ldrps.socket"} <= in_wheel
    names = {PurePosixPath(name).name for name in in_wheel}
    assert not names & {"generate.py", "pack.py", "translations.py", "setup_environment.py"}
    assert "ldrps_plugin_gimp/guide.py" not in in_wheel
