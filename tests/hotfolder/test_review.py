"""Results accepted and rejected by a person: moved away and back, never lost, never made again."""

import errno
import os
import sqlite3
import threading
from contextlib import closing

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hotfolder.support import SIDECAR, is_result_of, names, run_once, stays, tags, write_photo
from ldrps_client.cli import main
from ldrps_client.files import decode
from ldrps_client.hotfolder.store._ledger import Ledger
from ldrps_client.hotfolder.store._state import results_lock, state_folder
from ldrps_client.hotfolder.work import _review
from ldrps_client.hotfolder.work._review import Review
from ldrps_client.provenance import sidecar_for
from ldrps_engine.errors import LdrpsError
from support.daemon import wait_until

AWAY = "ldrps-rejected"


class Reviewed:
    """The ledger of a folder, and a person who judges its results."""

    def __init__(self, inside):
        self.inside = inside

    def __enter__(self):
        self.ledger = Ledger(state_folder(self.inside.resolve()).ledger)
        self.review = Review(self.inside, self.ledger)
        return self

    def __exit__(self, *_):
        self.ledger.close()

    def key(self, name):
        return next(e.key for e in self.ledger.entries("done") if e.source == os.fsencode(name))

    def verdict(self, name):
        return self.ledger.entry(self.key(name)).verdict


@pytest.fixture
def reviewed(inside, out, client):
    """Two photos, one in a subfolder, and their results."""
    write_photo(inside / "a.png", 1)
    write_photo(inside / "sub" / "b.png", 2)
    run_once(client, inside, out=out)
    with Reviewed(inside) as person:
        yield person


def test_accepting_changes_no_file(reviewed, out):
    reviewed.review.accept(reviewed.key("a.png"))
    assert reviewed.verdict("a.png") == "accepted"
    assert names(out) == ["a_restored.png", "sub/b_restored.png"]
    reviewed.review.undo(reviewed.key("a.png"))
    assert reviewed.verdict("a.png") == ""


def test_a_rejected_result_is_moved_and_returns(reviewed, inside, out):
    originals = {path: path.read_bytes() for path in inside.rglob("*.png")}
    key = reviewed.key("sub/b.png")
    before = (out / "sub" / "b_restored.png").stat()
    reviewed.review.reject(key)
    reviewed.review.reject(key)
    assert names(out) == ["a_restored.png", f"{AWAY}/sub/b_restored.png"]
    assert is_result_of(out / AWAY / "sub" / "b_restored.png", 2)
    with pytest.raises(LdrpsError, match=r"b\.png was rejected; undo that first"):
        reviewed.review.accept(key)
    reviewed.review.undo(key)
    assert names(out) == ["a_restored.png", "sub/b_restored.png"]
    assert not (out / AWAY).exists()
    after = (out / "sub" / "b_restored.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert reviewed.verdict("sub/b.png") == ""
    assert {path: path.read_bytes() for path in inside.rglob("*.png")} == originals


def test_a_rejected_result_is_not_made_again(reviewed, inside, out, client, watch):
    reviewed.review.reject(reviewed.key("a.png"))
    made = len(client.submits)
    # Not at the next start, nor under another name, nor while somebody watches.
    (inside / "a.png").rename(inside / "renamed.png")
    run_once(client, inside, out=out)
    watch(inside, out=out)
    write_photo(inside / "copy.png", 1)
    assert stays(lambda: len(client.submits) == made, 1)
    assert names(out) == [f"{AWAY}/a_restored.png", "sub/b_restored.png"]


def test_results_beside_the_originals_are_rejected_too(inside, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside)
    with Reviewed(inside) as person:
        person.review.reject(person.key("a.png"))
    run_once(client, inside)
    assert names(inside) == ["a.png", f"{AWAY}/a_restored.png"]
    assert len(client.submits) == 1


def test_without_the_ledger_a_rejected_result_is_known_by_its_mark(
    inside, out, client, monkeypatch, tmp_path
):
    write_photo(inside / "sub" / "b.png", 2)
    run_once(client, inside, out=out)
    with Reviewed(inside) as person:
        person.review.reject(person.key("sub/b.png"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new"))
    run_once(client, inside, out=out)
    assert len(client.submits) == 1
    assert names(out) == [f"{AWAY}/sub/b_restored.png"]
    with Reviewed(inside) as person:
        assert person.verdict("sub/b.png") == "rejected"
        person.review.undo(person.key("sub/b.png"))
    assert names(out) == ["sub/b_restored.png"]


def test_a_sidecar_goes_with_its_result(reviewed, out):
    beside = sidecar_for(out / "a_restored.png")
    beside.write_text("rated")
    reviewed.review.reject(reviewed.key("a.png"))
    assert names(out / AWAY) == ["a_restored.png", "a_restored.png.xmp"]
    assert not beside.exists()
    reviewed.review.undo(reviewed.key("a.png"))
    assert beside.read_text() == "rated"


def test_a_late_sidecar_reaches_a_rejected_result(reviewed, inside, out, client, watch):
    reviewed.review.reject(reviewed.key("a.png"))
    watcher = watch(inside, out=out)
    (inside / "a.png.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    assert wait_until(lambda: "amended" in watcher.reported.kinds("a.png"))
    assert tags(out / AWAY / "a_restored.png")["rating"] == "4"
    assert not (out / "a_restored.png").exists()
    reviewed.review.undo(reviewed.key("a.png"))
    assert tags(out / "a_restored.png")["rating"] == "4"


def test_no_name_is_taken_from_another_file(reviewed, out):
    (out / AWAY).mkdir()
    (out / AWAY / "a_restored.png").write_bytes(b"mine")
    sidecar_for(out / AWAY / "a_restored_2.png").write_bytes(b"mine too")
    key = reviewed.key("a.png")
    reviewed.review.reject(key)
    assert is_result_of(out / AWAY / "a_restored_3.png", 1)
    (out / "a_restored.png").write_bytes(b"new")
    with pytest.raises(LdrpsError, match=r"a_restored\.png is there by now; move it away"):
        reviewed.review.undo(key)
    assert (out / "a_restored.png").read_bytes() == b"new"
    (out / "a_restored.png").unlink()
    reviewed.review.undo(key)
    assert names(out / AWAY) == ["a_restored.png", "a_restored_2.png.xmp"]


def test_what_is_no_result_any_more_is_left_alone(reviewed, inside, out):
    key, path = reviewed.key("a.png"), out / "a_restored.png"
    kept = path.read_bytes()

    def refused(words):
        with pytest.raises(LdrpsError, match=words):
            reviewed.review.reject(key)
        assert reviewed.verdict("a.png") == ""
        assert not (out / AWAY).exists()

    Image.new("RGB", (9, 9)).save(path)
    refused("has been changed and no longer says that it is a result; it is left as it is")
    path.unlink()
    refused("is not there any more; if its disk is away, connect it")
    os.link(inside / "a.png", path)
    refused("is no result of ours any more")
    path.unlink()
    path.symlink_to(inside / "a.png")
    refused("is no result of ours any more")
    path.unlink()
    path.write_bytes(kept)
    # Rated elsewhere, say: its mark is still there.
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", decode(path).metadata.xmp.decode())
    Image.open(path).save(path, pnginfo=text)
    assert path.read_bytes() != kept
    reviewed.review.reject(key)
    assert reviewed.verdict("a.png") == "rejected"


def test_the_result_of_another_photo_under_its_name_is_left_alone(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    (out / "a_restored.png").unlink()
    write_photo(inside / "a.png", 5)
    run_once(client, inside, out=out)
    with Reviewed(inside) as person:
        first, second = (entry.key for entry in person.ledger.entries("done"))
        with pytest.raises(LdrpsError, match="is the result of another photo by now"):
            person.review.reject(first)
        person.review.reject(second)
        assert [entry.verdict for entry in person.ledger.entries("done")] == ["", "rejected"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EACCES, errno.ENOSPC])
def test_a_move_that_fails_changes_nothing(reviewed, out, monkeypatch, number):
    sidecar_for(out / "a_restored.png").write_text("rated")
    reviewed.review.accept(reviewed.key("a.png"))
    before, real = names(out), os.replace

    def failing(source, target):
        if str(target).endswith(".xmp") and AWAY in str(target):
            raise OSError(number, os.strerror(number))
        real(source, target)

    monkeypatch.setattr(_review.os, "replace", failing)
    with pytest.raises(LdrpsError, match=r"a_restored\.png cannot be moved to .*; nothing was cha"):
        reviewed.review.reject(reviewed.key("a.png"))
    assert names(out) == before
    assert reviewed.verdict("a.png") == "accepted"


def test_a_folder_that_takes_nothing_is_reported(reviewed, out):
    (out / AWAY).write_text("a file of this name")
    with pytest.raises(LdrpsError, match=r"cannot be moved to .*ldrps-rejected: file exists"):
        reviewed.review.reject(reviewed.key("a.png"))
    assert names(out) == ["a_restored.png", AWAY, "sub/b_restored.png"]


def test_a_rejected_file_that_is_gone_is_reported(reviewed, out):
    key = reviewed.key("a.png")
    reviewed.review.reject(key)
    (out / AWAY / "a_restored.png").unlink()
    with pytest.raises(LdrpsError, match="is not there any more, so it cannot be moved back"):
        reviewed.review.undo(key)
    with pytest.raises(LdrpsError, match="this result is not known any more"):
        reviewed.review.undo("nothing")


class CrashError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("act", ["reject", "undo"])
@pytest.mark.parametrize("step", range(12))
def test_a_crash_at_any_step_is_finished_at_the_next_start(
    reviewed, inside, out, client, monkeypatch, act, step
):
    """Before and after each of the steps that reach the disk."""
    sidecar_for(out / "a_restored.png").write_text("rated")
    key = reviewed.key("a.png")
    if act == "undo":
        reviewed.review.reject(key)
    left = [step]

    def counted(function):
        def crashing(*arguments, **options):
            for act in (None, function):
                result = act(*arguments, **options) if act else None
                if left[0] == 0:
                    raise CrashError
                left[0] -= 1
            return result

        return crashing

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "judge", counted(Ledger.judge))
        patch.setattr(_review.os, "replace", counted(os.replace))
        patch.setattr(_review, "_reserve", counted(_review._reserve))
        crashed = True
        try:
            getattr(reviewed.review, act)(key)
            crashed = False
        except CrashError:
            pass
        assert crashed is (step < 12)
    run_once(client, inside, out=out)
    away = [f"{AWAY}/a_restored.png", f"{AWAY}/a_restored.png.xmp", "sub/b_restored.png"]
    here = ["a_restored.png", "a_restored.png.xmp", "sub/b_restored.png"]
    # Before it was written down, nothing was asked for.
    rejected = (act == "reject") is (step > 0)
    assert names(out) == (away if rejected else here)
    assert reviewed.verdict("a.png") == ("rejected" if rejected else "")
    assert is_result_of(out / (away if rejected else here)[0], 1)
    assert len(client.submits) == 2


def test_two_who_judge_at_once_wait_for_each_other(reviewed):
    done = threading.Event()
    with results_lock(reviewed.ledger.path):
        thread = threading.Thread(
            target=lambda: (reviewed.review.reject(reviewed.key("a.png")), done.set())
        )
        thread.start()
        assert not done.wait(0.3)
    thread.join(20)
    assert done.is_set()


def test_photos_that_share_a_result_share_its_verdict(inside, out, client):
    """The same pixels with other metadata: there is one result for both."""
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    Image.open(inside / "a.png").save(inside / "a.png", compress_level=1)
    run_once(client, inside, out=out)
    assert len(client.submits) == 1
    with Reviewed(inside) as person:
        entries = person.ledger.entries("done")
        assert len(entries) == 2
        person.review.reject(entries[0].key)
        assert [entry.verdict for entry in person.ledger.entries("done")] == ["rejected"] * 2


def test_a_ledger_of_the_version_before_is_taken_over(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    path = state_folder(inside.resolve()).ledger
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP INDEX photos_by_verdict")
        for column in ("warnings", "verdict", "place"):
            db.execute(f"ALTER TABLE photos DROP COLUMN {column}")
        db.execute("ALTER TABLE files RENAME COLUMN settings_digest TO plan")
        db.execute("PRAGMA user_version = 1")
    with Reviewed(inside) as person:
        person.review.reject(person.key("a.png"))
    run_once(client, inside, out=out)
    assert len(client.submits) == 1
    assert names(out) == [f"{AWAY}/a_restored.png"]


def test_the_report_tells_verdicts(reviewed, inside, tmp_path):
    reviewed.review.reject(reviewed.key("a.png"))
    reviewed.review.accept(reviewed.key("sub/b.png"))
    assert main(["watch", str(inside), "--report", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text()
    assert f"{AWAY}/a_restored.png (rejected)" in text
    assert "sub/b_restored.png (accepted)" in text
