"""Treatment of failures in a watched folder: wait, try again, list them."""

import shutil

import pytest

from hotfolder.support import (
    names,
    run_once,
    write_photo,
)
from ldrps_client.hotfolder.report.status import retry_failed, status_of
from ldrps_client.hotfolder.store._state import state_folder
from ldrps_engine.errors import (
    BusyError,
    InternalError,
    LimitError,
    ModelError,
    OutputError,
    UnavailableError,
)
from support.daemon import wait_until


def status(root):
    return status_of(root, state_folder(root.resolve()))


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("no daemon"),
        BusyError("full", 0.1),
        ModelError("model 'x' is missing"),
        OutputError("the ledger is away"),
    ],
)
def test_what_passes_is_waited_for(inside, out, client, error):
    if isinstance(error, OutputError):
        error.__cause__ = OSError(28, "No space left on device")
    client.errors = [error] * 3
    write_photo(inside / "a.png", 1)
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("waiting") == 3
    assert reported.kinds().count("done") == 1
    # Handed in again under the same key: the daemon gives the same job.
    assert len({key for _, key, _ in client.submits}) == 1


def test_a_single_run_does_not_wait_for_ever(inside, out, client, monkeypatch):
    monkeypatch.setattr("ldrps_client.hotfolder.work._worker_pool.Backoff.next", _quick)
    client.errors = [UnavailableError("no daemon answers")] * 20
    write_photo(inside / "a.png", 1)
    with pytest.raises(UnavailableError, match="no daemon"):
        run_once(client, inside, out=out)
    assert status(inside)["queued"] == 1


def _quick(self):
    self.failures += 1
    return 0.01


def test_what_may_be_the_photos_fault_is_tried_three_times(inside, out, client):
    client.errors = [InternalError("a worker died twice")] * 3
    write_photo(inside / "a.png", 1)
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("retry") == 2
    assert reported.facts("failed")[0]["reason"] == "internal"
    # Each time as a new job: the old one would only say again that it failed.
    assert len({key for _, key, _ in client.submits}) == 3


def test_failures_are_listed_and_can_be_retried(inside, out, client, watch):
    client.errors = [LimitError("the photo is too large")]
    reported = watch(inside, out=out).reported
    write_photo(inside / "a.png", 1)
    state = state_folder(inside.resolve())
    assert wait_until(lambda: state.failed.exists() and "too large" in state.failed.read_text())
    assert status(inside)["failures"][0]["message"] == "the photo is too large"
    assert retry_failed(inside, state) == 1
    assert wait_until(lambda: "done" in reported.kinds(), 40)
    assert wait_until(lambda: "too large" not in state.failed.read_text())


def test_a_file_that_may_not_be_read_is_listed_until_it_may(inside, out, client, monkeypatch):
    write_photo(inside / "a.png", 1)
    import ldrps_client.hotfolder.detect._intake as intake

    def refused(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(intake, "content_of", refused)
        reported = run_once(client, inside, out=out)
    assert "permission denied" in reported.facts("failed")[0]["message"]
    (inside / "a.png").chmod(0o600)
    run_once(client, inside, out=out)
    assert names(out) == ["a_restored.png"]
    assert status(inside)["failed"] == 0


def test_a_failure_whose_photo_is_gone_is_no_failure_any_more(inside, out, client):
    write_photo(inside / "a.png", 1)
    for name in ("bad.jpg", "sub/bad.jpg", "kept.jpg"):
        (inside / name).parent.mkdir(exist_ok=True)
        (inside / name).write_bytes(name.encode())
    run_once(client, inside, out=out)
    assert status(inside)["failed"] == 3
    (inside / "bad.jpg").unlink()
    shutil.rmtree(inside / "sub")
    run_once(client, inside, out=out)
    assert [failure["photo"] for failure in status(inside)["failures"]] == ["kept.jpg"]
    assert "bad.jpg" not in state_folder(inside.resolve()).failed.read_text()
    (inside / "bad.jpg").write_bytes(b"bad.jpg")
    run_once(client, inside, out=out)
    assert status(inside)["failed"] == 2


def test_a_bug_lists_a_photo_and_does_not_stop_the_others(inside, out, client, monkeypatch):
    import ldrps_client.hotfolder.detect._intake as intake

    read_mark = intake.read_mark

    def mistaken(path):
        if path.name == "odd.png":
            raise ZeroDivisionError("a bug")
        return read_mark(path)

    monkeypatch.setattr(intake, "read_mark", mistaken)
    write_photo(inside / "haze" / "odd.png", 1)
    write_photo(inside / "z.png", 2)
    reported = run_once(client, inside, out=out)
    assert "ZeroDivisionError: a bug" in reported.facts("failed")[0]["message"]
    assert names(out) == ["z_restored.png"]
    assert "failed" not in run_once(client, inside, out=out).kinds()
