"""The kernel's events about folders, without a watcher around them."""

import shutil

import pytest

from ldrps_client.hotfolder.detect._events import Events
from support.daemon import wait_until


@pytest.fixture
def events():
    """Events, and the list of what they told."""
    reported = []
    made = Events(
        lambda path, is_folder: reported.append((path, is_folder)), lambda: reported.append("lost")
    )
    yield made, reported
    made.close()


def test_files_and_folders_are_distinguished(events, tmp_path):
    made, reported = events
    made.watch(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(b"a")
    assert wait_until(lambda: (tmp_path / "a.png", False) in reported)
    assert (tmp_path / "sub", True) in reported


def test_names_are_bytes(events, tmp_path):
    made, reported = events
    made.watch(tmp_path)
    odd = tmp_path / "caf\udce9.png"
    odd.write_bytes(b"a")
    assert wait_until(lambda: (odd, False) in reported)


def test_a_folder_under_two_paths_is_reported_under_both(events, tmp_path):
    made, reported = events
    inside, link = tmp_path / "inside", tmp_path / "link"
    inside.mkdir()
    link.symlink_to(inside)
    made.watch(inside)
    made.watch(link)
    (inside / "a.png").write_bytes(b"a")
    assert wait_until(lambda: {(p / "a.png", False) for p in (inside, link)} <= {*reported})


def test_a_folder_that_moves_is_reported_under_its_new_path_alone(events, tmp_path):
    made, reported = events
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    made.watch(old)
    # The scan may be quicker than the kernel's event.
    old.rename(new)
    made.watch(new)
    assert wait_until(lambda: old not in made._folders)
    (new / "a.png").write_bytes(b"a")
    assert wait_until(lambda: (new / "a.png", False) in reported)
    assert not [path for path, _ in reported if path.parent == old]


def test_a_folder_that_is_deleted_can_be_watched_again(events, tmp_path):
    made, reported = events
    inside = tmp_path / "inside"
    inside.mkdir()
    made.watch(inside)
    shutil.rmtree(inside)
    assert wait_until(lambda: inside not in made._folders)
    inside.mkdir()
    made.watch(inside)
    (inside / "a.png").write_bytes(b"a")
    assert wait_until(lambda: (inside / "a.png", False) in reported)


def test_nothing_is_reported_after_all_was_cleared(events, tmp_path):
    made, reported = events
    made.watch(tmp_path)
    made.clear()
    (tmp_path / "a.png").write_bytes(b"a")
    other = tmp_path / "other"
    other.mkdir()
    made.watch(other)
    (other / "b.png").write_bytes(b"b")
    assert wait_until(lambda: (other / "b.png", False) in reported)
    assert {path.parent for path, _ in reported} == {other}
