"""Never too early: what is still being written is seen, on whichever mount it lies."""

import subprocess
import sys
from pathlib import Path

from ldrps_client.hotfolder.detect._mounts import mount_of
from ldrps_client.hotfolder.detect._settling import Settler, is_being_written


def test_settling_is_from_the_last_change_on(tmp_path):
    now = [0.0]
    settler = Settler(5.0, lambda: now[0])
    path = tmp_path / "a"
    path.write_bytes(b"1")
    settler.note(path)
    now[0] = 4.0
    path.write_bytes(b"12")
    assert list(settler.settled()) == []
    now[0] = 5.0
    assert list(settler.settled()) == []
    assert settler.next_due() == 10.0
    now[0] = 10.0
    assert list(settler.settled()) == [path]
    assert len(settler) == 0
    settler.note(path)
    path.unlink()
    now[0] = 15.0
    assert list(settler.settled()) == []
    assert len(settler) == 0


def test_who_writes_is_seen_without_any_event(tmp_path):
    path = tmp_path / "a"
    with path.open("wb"):
        assert is_being_written(path)
    assert not is_being_written(path)
    with path.open("rb"):
        assert not is_being_written(path)


def test_a_lease_that_is_broken_does_not_kill(tmp_path):
    """A writer that opens the file during the lease makes the kernel send SIGIO."""
    path = tmp_path / "a"
    path.write_bytes(b"")
    code = (
        "import fcntl, os, sys\n"
        "from ldrps_client.hotfolder.detect._settling import ignore_lease_breaks\n"
        "ignore_lease_breaks()\n"
        f"descriptor = os.open({str(path)!r}, os.O_RDONLY)\n"
        "fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)\n"
        f"assert os.system('echo > {path} &') == 0\n"
        "import time; time.sleep(0.5)\n"
        "fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_mounts(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:40 / /mnt/my\\040nas rw shared:1 - nfs4 server:/x rw\n"
        "3 1 0:41 / /mnt/phone rw - fuse.simple-mtpfs x rw\n"
        "4 1 0:42 / /mnt/phone/card rw - vfat /dev/b rw\n"
    )
    nas = mount_of(Path("/mnt/my nas/photos"), table)
    assert (nas.point, nas.kind, nas.reports_changes) == ("/mnt/my nas", "nfs4", False)
    assert not mount_of(Path("/mnt/phone/a"), table).reports_changes
    assert mount_of(Path("/mnt/phone/card/a"), table).reports_changes
    assert mount_of(Path("/mnt/phonebook"), table).point == "/"


def test_a_folder_mounted_onto_itself_is_where_it_was(tmp_path):
    """systemd does that for what a unit may write to, and btrfs counts from its subvolume."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 0:20 /@ / rw - btrfs /dev/a rw\n"
        "2 1 0:20 /@data /data rw - btrfs /dev/a rw\n"
        "3 2 0:20 /@data/me/out /data/me/out rw - btrfs /dev/a rw\n"
        "4 1 0:20 /@/srv /srv ro - btrfs /dev/a rw\n"
        "5 1 0:20 /@data/me /mnt/other rw - btrfs /dev/a rw\n"
    )
    wanted = {"/data/me/out/x": "/data", "/srv/x": "/", "/mnt/other/x": "/mnt/other"}
    assert {path: mount_of(Path(path), table).point for path in wanted} == wanted
