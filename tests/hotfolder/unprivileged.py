"""Scenes with permissions that are heeded, run as a program without root's own rights.

setpriv --bounding-set=-dac_override,-dac_read_search python -m hotfolder.unprivileged NAME FOLDER
"""

import os
import sys
from pathlib import Path

import pytest

from hotfolder.support import InvertingClient, Watching, names, run_once, stays, write_photo
from ldrps_client.hotfolder.report.status import status_of
from ldrps_client.hotfolder.work import _blocked_folders
from ldrps_engine.errors import OutputError
from support.daemon import wait_until


def folders(base):
    inside, out = base / "in", base / "out"
    inside.mkdir()
    out.mkdir()
    return inside, out


def refused(base):
    """Told before there is a photo, waited for, and nothing is worked on or listed."""
    inside, out = folders(base)
    out.chmod(0o555)
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert f"{out} may not be written to" in watching.reported.facts("waiting")[0]["message"]
    for number in range(3):
        write_photo(inside / "sub" / f"{number}.png", number)
    assert wait_until(lambda: watching.reported.kinds().count("found") == 3)
    assert stays(lambda: not client.submits, 1.5)
    status = status_of(inside, watching.watcher.state)
    assert (status["failed"], status["done"]) == (0, 0)
    out.chmod(0o755)
    assert wait_until(lambda: watching.reported.kinds().count("done") == 3)
    assert wait_until(lambda: "back" in watching.reported.kinds())
    watching.stop()
    assert len(names(out)) == 3


def a_single_run(base):
    """It ends with what it waited for, and the next one does the work."""
    _blocked_folders.GIVE_UP = 2
    inside, out = folders(base)
    write_photo(inside / "a.png", 1)
    out.chmod(0o555)
    client = InvertingClient()
    with pytest.raises(OutputError, match="may not be written to"):
        run_once(client, inside, out=out)
    assert client.submits == []
    out.chmod(0o755)
    run_once(client, inside, out=out)
    assert names(out) == ["a_restored.png"]


def one_folder_of_many(base):
    """Beside the originals one folder is locked: its photos wait, and nobody else."""
    inside, _ = folders(base)
    for number in range(3):
        write_photo(inside / "1 locked" / f"{number}.png", number)
        write_photo(inside / "2 open" / f"{number}.png", 9 + number)
    (inside / "1 locked").chmod(0o555)
    client = InvertingClient()
    watching = Watching(client, inside).start()
    assert wait_until(lambda: watching.reported.kinds().count("done") == 3)
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert len(client.submits) == 3
    assert status_of(inside, watching.watcher.state)["failed"] == 0
    (inside / "1 locked").chmod(0o755)
    assert wait_until(lambda: watching.reported.kinds().count("done") == 6)
    watching.stop()


def locked_meanwhile(base):
    """While the daemon works the folder is locked: the result is not lost, nor the photo listed."""
    inside, out = folders(base)
    write_photo(inside / "a.png", 1)
    client = InvertingClient()
    client.gate.clear()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: client.submits)
    out.chmod(0o555)
    client.gate.set()
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert "failed" not in watching.reported.kinds()
    out.chmod(0o755)
    assert wait_until(lambda: "done" in watching.reported.kinds())
    watching.stop()
    assert names(out) == ["a_restored.png"]
    # The same job: nothing is worked on twice.
    assert len({key for _, key, _ in client.submits}) == 1


def a_file_in_the_way(base):
    inside, out = folders(base)
    (out / "sub").write_bytes(b"theirs")
    write_photo(inside / "sub" / "a.png", 1)
    write_photo(inside / "b.png", 2)
    client = InvertingClient()
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: "done" in watching.reported.kinds("b.png"))
    assert wait_until(lambda: "waiting" in watching.reported.kinds())
    assert "is not a folder" in watching.reported.facts("waiting")[0]["message"]
    assert (out / "sub").read_bytes() == b"theirs"
    (out / "sub").unlink()
    assert wait_until(lambda: "done" in watching.reported.kinds("sub/a.png"))
    watching.stop()


if __name__ == "__main__":
    os.environ["XDG_STATE_HOME"] = f"{sys.argv[2]}/home"
    globals()[sys.argv[1]](Path(sys.argv[2]))
    print("well")
