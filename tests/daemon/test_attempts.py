"""Attempts at a job: only the front gives a file the name under which it counts."""

import os

import pytest

from ldrps_daemon.storage.attempts import FolderStore
from ldrps_daemon.storage.spool import JobFolder


@pytest.fixture
def job(tmp_path):
    folder = JobFolder(tmp_path / "job")
    folder.path.mkdir()
    return folder


def begun(job, **files):
    """An attempt whose worker has written something."""
    attempt = FolderStore().begin(job)
    attempt.files.path.mkdir()
    for name, data in files.items():
        getattr(attempt.files, name).write_bytes(data)
    return attempt


def test_a_worker_that_was_cut_off_overwrites_nothing_of_its_heir(job):
    old, heir = begun(job), begun(job, checkpoint=b"heir", result=b"heir")
    assert heir.keep_checkpoint()
    heir.keep_result()
    old.files.checkpoint.write_bytes(b"old")
    old.files.result.write_bytes(b"old")
    assert (job.checkpoint.read_bytes(), job.result.read_bytes()) == (b"heir", b"heir")
    old.discard()
    assert sorted(path.name for path in job.path.glob("[!a]*")) == ["checkpoint", "result"]
    with pytest.raises(FileNotFoundError):
        old.files.result.write_bytes(b"later still")


def test_each_attempt_has_an_epoch_of_its_own(job):
    assert len({FolderStore().begin(job).files.path for _ in range(20)}) == 20


def test_a_checkpoint_that_was_kept_with_the_one_before_it_is_kept(job):
    attempt = begun(job, checkpoint=b"both")
    assert attempt.keep_checkpoint()
    assert attempt.keep_checkpoint()
    assert job.checkpoint.read_bytes() == b"both"


def test_nothing_saved_is_nothing_kept(job):
    attempt = begun(job)
    assert not attempt.keep_checkpoint()
    with pytest.raises(FileNotFoundError):
        attempt.keep_result()


@pytest.mark.parametrize(("reported", "found"), [(2, b"untold"), (9, b"told")])
def test_the_newest_checkpoint_is_found_again(job, reported, found):
    """It is that of a worker without time to report it, or one that was reported later."""
    for age in (1, 3):
        attempt = begun(job, checkpoint=b"untold" if age == 3 else b"older", result=b"half")
        os.utime(attempt.files.checkpoint, (age, age))
    job.checkpoint.write_bytes(b"told")
    os.utime(job.checkpoint, (reported, reported))
    FolderStore().recover(job)
    assert job.checkpoint.read_bytes() == found
    assert [path.name for path in job.path.iterdir()] == ["checkpoint"]


def test_a_job_without_attempts_is_left_as_it_is(job):
    FolderStore().recover(job)
    assert not list(job.path.iterdir())
