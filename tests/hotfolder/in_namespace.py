"""Tests that need mounts and limits of their own; run as a program within `unshare -Urm`.

unshare -Urm python -m hotfolder.in_namespace NAME FOLDER
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from hotfolder.support import (
    InvertingClient,
    Told,
    Watching,
    is_result_of,
    names,
    pixels,
    run_once,
    stays,
    write_photo,
)
from ldrps_client.hotfolder import watcher
from ldrps_client.hotfolder.report.status import status_of
from ldrps_engine.errors import OutputError
from support.daemon import wait_until


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def umount(path):
    # Plain, not lazy: nothing of ours may keep a mount busy.
    assert wait_until(lambda: subprocess.run(["umount", str(path)]).returncode == 0, 10)


def small_disk(path):
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "none", path)
    return path


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return folder / "ballast"


def full_output(base):
    out = small_disk(base / "out")
    ballast = fill(out)
    inside = base / "in"
    write_photo(inside / "a.png", 1)
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(
        lambda: "waiting" in watching.reported.kinds("a.png") + watching.reported.kinds("")
    )
    assert "no space" in watching.reported.facts("waiting")[0]["message"]
    assert stays(lambda: names(out) == ["ballast"], 1.0)
    # Nothing was worked on for which there is no room.
    assert client.submits == []
    ballast.unlink()
    assert wait_until(lambda: "done" in watching.reported.kinds())
    assert names(out) == ["a_restored.png"]
    assert is_result_of(out / "a_restored.png", 1)
    watching.stop()


def read_only_output(base):
    out = small_disk(base / "out")
    mount("-o", "remount,ro", out)
    inside = base / "in"
    write_photo(inside / "a.png", 1)
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert "read-only file system" in watching.reported.facts("waiting")[0]["message"]
    assert stays(lambda: not client.submits, 1.0)
    assert status_of(inside, watching.watcher.state)["failed"] == 0
    mount("-o", "remount,rw", out)
    assert wait_until(lambda: "done" in watching.reported.kinds("a.png"))
    watching.stop()


def read_only_single_run(base):
    """Nobody mounts it again while a single run waits: it ends at once, with one sentence."""
    for beside in (True, False):
        inside = small_disk(base / f"in-{beside}")
        write_photo(inside / "a.png", 1)
        out = None if beside else small_disk(base / "out")
        mount("-o", "remount,ro", out or inside)
        client, reported = InvertingClient(), Told()
        began = time.monotonic()
        with pytest.raises(OutputError, match=r"cannot be written to: read-only file system"):
            run_once(client, inside, reported, out=out)
        assert time.monotonic() - began < 10
        assert client.submits == []
        assert "waiting" not in reported.kinds()


def hardly_any_room(base):
    """Leave room for a page or two, but not for a photo."""
    out = small_disk(base / "out")
    ballast = fill(out)
    with open(ballast, "r+b") as file:
        file.truncate(ballast.stat().st_size - 2 * 4096)
    inside = base / "in"
    inside.mkdir()
    Image.fromarray(pixels(1, 100, 100)).save(inside / "a.png")
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert stays(lambda: not client.submits, 1.0)
    ballast.unlink()
    assert wait_until(lambda: "done" in watching.reported.kinds("a.png"))
    watching.stop()


def full_state(base):
    state = small_disk(base / "state")
    os.environ["XDG_STATE_HOME"] = str(state)
    inside, out = base / "in", base / "out"
    inside.mkdir()
    watching = Watching(InvertingClient(), inside, out=out).start()
    ballast = fill(state)
    for number in range(8):
        write_photo(inside / f"{number}.png", number)
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    ballast.unlink()
    assert wait_until(lambda: watching.reported.kinds().count("done") >= 8, 60)
    assert names(out) == [f"{number}_restored.png" for number in range(8)]
    watching.stop()


def mount_away(base):
    store, inside, out = base / "store", base / "in", base / "out"
    for folder in (store, inside):
        folder.mkdir()
    mount("-t", "tmpfs", "none", store)
    mount("--bind", store, inside)
    write_photo(inside / "a.png", 1)
    watching = Watching(InvertingClient(), inside, out=out).start()
    assert wait_until(lambda: "done" in watching.reported.kinds())
    umount(inside)
    assert wait_until(lambda: "away" in watching.reported.kinds())
    # Neither is the bare folder taken for the archive, nor are photos taken for deleted.
    write_photo(inside / "bare.png", 9)
    write_photo(store / "b.png", 2)
    assert stays(lambda: watching.reported.kinds().count("found") == 1, 1.5)
    watching.stop()
    # As after a reboot without the disk. A single run does not wait for ever.
    watcher._ONCE_AWAY_SECONDS = 0.1
    with pytest.raises(OutputError, match="nothing is mounted"):
        run_once(InvertingClient(), inside, out=out)
    again = Watching(InvertingClient(), inside, out=out)
    again.thread.start()
    assert wait_until(lambda: "away" in again.reported.kinds())
    mount("--bind", store, inside)
    assert wait_until(lambda: "done" in again.reported.kinds())
    assert again.reported.kinds("a.png") == []
    assert "gone" not in again.reported.kinds()
    assert names(out) == ["a_restored.png", "b_restored.png"]
    # And the new mount is heard of by events again.
    write_photo(inside / "c.png", 3)
    assert wait_until(lambda: "done" in again.reported.kinds("c.png"))
    again.stop()


def output_away(base):
    inside, out = base / "in", base / "out"
    inside.mkdir()
    out.mkdir()
    mount("-t", "tmpfs", "none", out)
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    client.gate.clear()
    write_photo(inside / "a.png", 1)
    assert wait_until(lambda: client.submits)
    umount(out)
    client.gate.set()
    assert wait_until(
        lambda: "waiting" in watching.reported.kinds() or "away" in watching.reported.kinds()
    )
    assert stays(lambda: names(out) == [], 1.0)
    mount("-t", "tmpfs", "none", out)
    assert wait_until(lambda: "done" in watching.reported.kinds("a.png"))
    assert names(out) == ["a_restored.png"]
    watching.stop()


def mounted_onto_themselves(base):
    """Mount folders onto themselves, as systemd does where a unit may write: the same disk."""
    inside, out = base / "in", base / "out"
    for number, folders in enumerate(((), (base, out), ())):
        for folder in folders:
            mount("--bind", folder, folder)
        write_photo(inside / f"{number}.png", number)
        watching = Watching(InvertingClient(), inside, out=out).start()
        assert wait_until(lambda reported=watching.reported: "done" in reported.kinds())
        watching.stop()
        for folder in reversed(folders):
            umount(folder)
    assert names(out) == ["0_restored.png", "1_restored.png", "2_restored.png"]


def no_more_watches(base):
    inside, out = base / "in", base / "out"
    for number in range(6):
        (inside / str(number)).mkdir(parents=True)
    Path("/proc/sys/user/max_inotify_watches").write_text("3")
    watching = Watching(InvertingClient(), inside, out=out, poll_every=0.2).start()
    (warning,) = watching.reported.facts("warning")
    assert "max_user_watches" in warning["message"]
    for number in range(6):
        write_photo(inside / str(number) / "a.png", number)
    assert wait_until(lambda: watching.reported.kinds().count("done") == 6)
    watching.stop()


if __name__ == "__main__":
    os.environ["XDG_STATE_HOME"] = f"{sys.argv[2]}/home"
    globals()[sys.argv[1]](Path(sys.argv[2]))
    print("well")
