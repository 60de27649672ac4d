"""One watched folder, with a client that stands in for the daemon."""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotfolder.support import (
    SETTLE,
    InvertingClient,
    Watching,
    is_result_of,
    names,
    run_once,
    stays,
    write_photo,
)
from ldrps_client.hotfolder.detect._mounts import Mount
from ldrps_client.hotfolder.report.status import status_of
from ldrps_client.hotfolder.store._claim import claimed
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_engine.errors import (
    InternalError,
    OutputError,
    UnavailableError,
)
from support.daemon import wait_until


def status(root):
    return status_of(root, state_folder(root.resolve()))


def test_what_is_there_and_what_comes_is_restored(inside, out, watch):
    write_photo(inside / "a.png", 1)
    reported = watch(inside, out=out).reported
    write_photo(inside / "sub" / "b.png", 2)
    assert wait_until(lambda: reported.kinds().count("done") == 2)
    assert names(out) == ["a_restored.png", "sub/b_restored.png"]
    assert is_result_of(out / "a_restored.png", 1)
    assert is_result_of(out / "sub" / "b_restored.png", 2)


def test_a_folder_that_is_moved_in_and_renamed_stays_watched(inside, out, tmp_path, watch):
    reported = watch(inside, out=out).reported
    write_photo(tmp_path / "away" / "deep" / "a.png", 1)
    os.rename(tmp_path / "away", inside / "away")
    assert wait_until(lambda: reported.kinds().count("done") == 1)
    os.rename(inside / "away", inside / "home")
    assert wait_until(lambda: "duplicate" in reported.kinds("home/deep/a.png"))
    write_photo(inside / "home" / "deep" / "b.png", 2)
    assert wait_until(lambda: reported.kinds().count("done") == 2)
    shutil.rmtree(inside / "home")
    write_photo(inside / "home" / "deep" / "c.png", 3)
    assert wait_until(lambda: reported.kinds().count("done") == 3)


def test_a_photo_is_not_taken_while_it_is_open_for_writing(inside, out, watch):
    reported = watch(inside, out=out).reported
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    with open(inside / "a.png", "wb") as file:
        file.write(whole)
        file.flush()
        assert stays(lambda: "found" not in reported.kinds(), 6 * SETTLE)
    assert wait_until(lambda: "done" in reported.kinds())


def test_a_photo_that_grows_in_pieces_is_taken_when_it_is_whole(inside, out, watch):
    reported = watch(inside, out=out).reported
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    for end in range(0, len(whole) + 400, 400):
        (inside / "a.png").write_bytes(whole[:end])
        time.sleep(SETTLE / 3)
    assert wait_until(lambda: "done" in reported.kinds())
    assert "retry" not in reported.kinds()
    assert is_result_of(out / "a_restored.png", 1)


def test_half_a_photo_fails_until_the_other_half_comes(inside, out, watch):
    reported = watch(inside, out=out).reported
    whole = write_photo(inside.parent / "a.png", 1).read_bytes()
    (inside / "a.png").write_bytes(whole[:700])
    assert wait_until(lambda: "failed" in reported.kinds())
    assert status(inside)["failed"] == 1
    (inside / "a.png").write_bytes(whole)
    assert wait_until(lambda: "done" in reported.kinds())
    assert status(inside)["failed"] == 0


def test_a_photo_that_changes_before_its_turn_is_restored_as_it_is_then(inside, out, watch, client):
    client.gate.clear()
    reported = watch(inside, out=out).reported
    for number in range(2):
        write_photo(inside / f"{number}.png", number)
    assert wait_until(lambda: len(client.submits) == 2)
    # Both threads are busy now; this one has to wait.
    write_photo(inside / "later.png", 8)
    assert wait_until(lambda: "found" in reported.kinds("later.png"))
    write_photo(inside / "later.png", 9)
    client.gate.set()
    assert wait_until(lambda: "done" in reported.kinds("later.png"))
    assert is_result_of(out / "later_restored.png", 9)
    assert len(names(out)) == 3


def test_a_change_without_an_event_is_seen_before_the_result_counts(inside, out, client):
    client.gate.clear()
    watching = Watching(client, inside, out=out)
    for number in range(3):
        write_photo(inside / f"{number}.png", number)
    watching.start()
    assert wait_until(lambda: watching.reported.kinds().count("found") == 3)
    assert wait_until(lambda: len(client.submits) == 2)
    (last,) = {0, 1, 2} - {int(path.stem) for path, _, _ in client.submits}
    watching.watcher._events.clear()
    write_photo(inside / f"{last}.png", 9)
    client.gate.set()
    assert wait_until(lambda: watching.reported.kinds().count("done") == 3)
    watching.stop()
    run_once(client, inside, out=out)
    assert names(out) == ["0_restored.png", "1_restored.png", "2_restored.png"]
    assert is_result_of(out / f"{last}_restored.png", 9)
    # And what was there before has not been restored: should it come back, it is its turn.
    write_photo(inside / "back.png", last)
    run_once(client, inside, out=out)
    assert is_result_of(out / "back_restored.png", last)


def test_a_photo_that_goes_before_its_turn_is_no_failure(inside, out, watch, client):
    client.gate.clear()
    reported = watch(inside, out=out).reported
    for number in range(2):
        write_photo(inside / f"{number}.png", number)
    assert wait_until(lambda: len(client.submits) == 2)
    path = write_photo(inside / "later.png", 8)
    assert wait_until(lambda: "found" in reported.kinds("later.png"))
    path.rename(inside.parent / "later.png")
    client.gate.set()
    assert wait_until(lambda: "gone" in reported.kinds("later.png"))
    assert status(inside)["failed"] == 0
    (inside.parent / "later.png").rename(path)
    assert wait_until(lambda: "done" in reported.kinds("later.png"))


def test_dropped_events_are_noticed_and_made_up_for(inside, out, client):
    watching = Watching(client, inside, out=out, scan_every=1e6)
    blocked = threading.Event()
    heard = watching.watcher._on_change

    def slow(path, is_folder):
        blocked.wait(60)
        heard(path, is_folder)

    watching.watcher._on_change = slow
    watching.start()
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(room + 3000):
        # Two files in turn: equal events in a row would be told as one.
        (inside / f".{number % 2}").write_bytes(b"")
    for number in range(5):
        write_photo(inside / f"{number}.png", number)
    blocked.set()
    try:
        assert wait_until(lambda: "overflow" in watching.reported.kinds(), 60)
        assert wait_until(lambda: watching.reported.kinds().count("done") == 5, 60)
    finally:
        watching.stop()


def test_a_network_mount_is_polled_without_being_asked(inside, out, watch, monkeypatch):
    import ldrps_client.hotfolder.watcher as watcher

    monkeypatch.setattr(watcher, "mount_of", lambda path: Mount("/", "nfs4"))
    watching = watch(inside, out=out, poll_every=0.1)
    assert watching.reported.facts("polling")[0]["message"].endswith("on nfs4")
    assert watching.watcher._events is None
    write_photo(inside / "sub" / "a.png", 1)
    assert wait_until(lambda: "done" in watching.reported.kinds())


def test_polling_finds_what_comes(inside, out, watch):
    reported = watch(inside, out=out, poll="always", poll_every=0.1).reported
    assert reported.facts("polling")
    write_photo(inside / "sub" / "a.png", 1)
    assert wait_until(lambda: "done" in reported.kinds())


def test_the_timer_finds_what_no_event_reported(inside, out, client):
    watching = Watching(client, inside, out=out, scan_every=1.0)
    watching.watcher._on_change = lambda path, is_folder: None
    watching.start()
    write_photo(inside / "a.png", 1)
    assert wait_until(lambda: "done" in watching.reported.kinds())
    watching.stop()


def test_a_clock_that_is_set_back_changes_nothing(inside, out, client, watch, monkeypatch):
    reported = watch(inside, out=out).reported
    write_photo(inside / "a.png", 1)
    assert wait_until(lambda: reported.kinds().count("done") == 1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 365 * 86400)
    client.errors = [UnavailableError("no daemon"), InternalError("died")]
    path = write_photo(inside / "b.png", 2)
    os.utime(path, (0, 0))
    assert wait_until(lambda: reported.kinds().count("done") == 2)
    os.utime(write_photo(inside / "c.png", 3), (2**33, 2**33))
    assert wait_until(lambda: reported.kinds().count("done") == 3)


def test_two_watchers_do_not_share_a_folder(inside, out, watch):
    watch(inside, out=out)
    with pytest.raises(OutputError, match="watched already"):
        run_once(InvertingClient(), inside, out=out)


def test_another_users_watcher_is_seen_too(inside, out, watch, monkeypatch, tmp_path):
    watch(inside, out=out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user's"))
    with pytest.raises(OutputError, match="watched already"):
        run_once(InvertingClient(), inside, out=out)


# Takes the name under which watchers of a folder are known to each other, as another user.
SQUATTER = """
import hashlib, os, socket, sys
os.setuid(65534)
one = socket.socket(socket.AF_UNIX)
one.bind('\\0ldrps-watch-' + hashlib.sha256(os.fsencode(sys.argv[1])).hexdigest())
if sys.argv[2] == 'listens':
    one.listen()
print('there', flush=True)
sys.stdin.read()
"""


@pytest.fixture
def squatted(inside):
    """Has somebody else take a folder's name before it is watched."""
    if os.geteuid():
        pytest.skip("only root can be somebody else")

    @contextmanager
    def squat(kind):
        words = [sys.executable, "-c", SQUATTER, str(inside), kind]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"there\n"
            try:
                yield
            finally:
                other.kill()

    return squat


@pytest.mark.parametrize("kind", ["listens", "is silent"])
def test_who_may_not_write_in_a_folder_keeps_nobody_from_watching_it(inside, out, squatted, kind):
    write_photo(inside / "a.png", 1)
    with squatted(kind):
        run_once(InvertingClient(), inside, out=out)
    assert is_result_of(out / "a_restored.png", 1)


def test_who_may_write_in_it_is_believed(inside, out, squatted):
    inside.chmod(0o777)
    with squatted("listens"), pytest.raises(OutputError, match="watched already"):
        run_once(InvertingClient(), inside, out=out)


def test_many_who_ask_do_not_make_a_watcher_doubted(inside, out, watch, monkeypatch, tmp_path):
    watch(inside, out=out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user's"))
    for _ in range(300):
        with pytest.raises(OSError, match="in use"), claimed(inside.resolve()):
            pass


def test_a_job_in_hand_is_gone_on_with_after_a_restart(inside, out, client):
    client.gate.clear()
    write_photo(inside / "a.png", 1)
    watching = Watching(client, inside, out=out).start()
    assert wait_until(lambda: client.submits)
    watching.stop()
    assert names(out) == []
    client.gate.set()
    run_once(client, inside, out=out)
    first, second = client.submits
    assert first[1] == second[1]
    assert names(out) == ["a_restored.png"]


def test_the_ledger_of_a_later_version_is_left_alone(inside, out, client):
    run_once(client, inside, out=out)
    ledger = Ledger(state_folder(inside.resolve()).ledger)
    ledger._db.execute("PRAGMA user_version = 99")
    ledger.close()
    with pytest.raises(OutputError, match="later version"):
        run_once(client, inside, out=out)
