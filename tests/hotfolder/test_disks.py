"""Full disks, mounts that go away, and the kernel's limits, in a namespace of the test's own."""

import subprocess
import sys

import pytest

from support.daemon import environment

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def can_unshare():
    try:
        tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False)
    except OSError:
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="user namespaces are not allowed here")
@pytest.mark.parametrize(
    "name",
    [
        *("full_output", "full_state", "mount_away", "output_away", "mounted_onto_themselves"),
        *("no_more_watches", "read_only_output", "hardly_any_room"),
        "read_only_single_run",
    ],
)
def test_in_a_namespace(name, tmp_path):
    command = [*UNSHARE, sys.executable, "-m", "hotfolder.in_namespace", name, str(tmp_path)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "well\n", done.stderr
