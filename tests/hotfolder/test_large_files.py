"""Files that are too large, or too large for what is left, hold up no other photo."""

import hashlib
import io
import os
import threading

import pytest

from hotfolder.support import SIDECAR, Told, names, run_once, write_photo
from ldrps_client._inputs import take
from ldrps_client.files._read import MOST_BYTES
from ldrps_client.hotfolder.work._place import content_of
from ldrps_client.provenance import read_mark
from ldrps_engine.errors import LimitError, OutputError, PhotoError
from support.daemon import wait_until

GIANT = 60 << 30


def giant(path, size=GIANT):
    """A file that takes no room, and would take minutes to be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


@pytest.mark.timeout(60)
def test_a_giant_is_refused_by_its_size_alone_and_the_others_are_done(inside, out, client):
    giant(inside / "giant.jpg")
    for number in range(3):
        write_photo(inside / f"{number}.png", number)
    write_photo(inside / "sub" / "0.png", 0)
    reported = run_once(client, inside, out=out)
    assert reported.kinds().count("done") == len(names(out)) == 3
    assert reported.kinds().count("duplicate") == 1
    (failed,) = reported.facts("failed")
    assert failed["reason"] == "limit"
    assert str(inside / "giant.jpg") in failed["message"]
    assert f"has {GIANT} bytes" in failed["message"]
    assert f"more than {MOST_BYTES}" in failed["message"]
    assert "retry" not in reported.kinds()
    # Known from now on, until it changes.
    assert run_once(client, inside, out=out).facts("scanned")[0]["changed"] == 0
    write_photo(inside / "giant.jpg", 7)
    run_once(client, inside, out=out)
    assert "giant_restored.jpg" in names(out)


def test_a_photo_that_becomes_a_giant_before_its_turn_is_refused(inside, out, client, watch):
    client.gate.clear()
    photos = [write_photo(inside / f"{number}.png", number) for number in range(3)]
    reported = watch(inside, out=out).reported
    assert wait_until(lambda: reported.kinds().count("started") == 2)
    (left,) = {photo.name for photo in photos} - {p for k, p, _ in reported.all if k == "started"}
    giant(inside / left)
    client.gate.set()
    assert wait_until(lambda: reported.kinds().count("done") == 2 and "failed" in reported.kinds())
    assert "waiting" not in reported.kinds()
    assert reported.facts("failed")[0]["reason"] == "limit"


@pytest.mark.timeout(60)
def test_a_giant_sidecar_is_as_none(inside, out, client):
    for name in ("a.png.xmp", "a.xmp"):
        giant(inside / name)
    photo = write_photo(inside / "a.png", 1)
    assert read_mark(photo) is None
    reported = run_once(client, inside, out=out)
    assert names(out) == ["a_restored.png"]
    assert "larger than 8 MiB" in reported.facts("warning")[0]["message"]


@pytest.mark.timeout(60)
def test_a_result_that_became_a_giant_gets_no_late_sidecar(inside, out, client):
    write_photo(inside / "a.png", 1)
    run_once(client, inside, out=out)
    with open(out / "a_restored.png", "r+b") as file:
        file.truncate(GIANT)
    (inside / "a.xmp").write_text(SIDECAR.format(rating=4, keywords=""))
    reported = run_once(client, inside, out=out)
    assert "no photo that is taken has more than" in reported.facts("warning")[0]["message"]


def test_a_photo_without_room_waits_and_the_others_do_not(inside, out, client, monkeypatch):
    """The large one needs more than the disk has, which is room enough for the small ones."""
    import ldrps_client.files._folders as folders

    def nearly_full(folder):
        return os.statvfs_result([4096, 4096, *[(100 << 20) // 4096] * 3, 1, 1, 1, 0, 255])

    large = write_photo(inside / "0.png", 0)
    # What follows the end of a PNG is nobody's business.
    os.truncate(large, 101 << 20)
    for number in (1, 2):
        write_photo(inside / f"{number}.png", number)
    reported = Told()
    with monkeypatch.context() as patch:
        patch.setattr(folders.os, "statvfs", nearly_full)
        patch.setattr("ldrps_client.hotfolder.work._blocked_folders.Backoff.next", quick)
        with pytest.raises(OutputError, match="no space left"):
            run_once(client, inside, reported, out=out)
    assert names(out) == ["1_restored.png", "2_restored.png"]
    assert {photo for kind, photo, _ in reported.all if kind == "waiting"} == {"0.png"}
    run_once(client, inside, out=out)
    assert "0_restored.png" in names(out)


def quick(self):
    self.failures += 1
    return 0.01


@pytest.mark.timeout(30)
def test_a_file_that_grows_as_it_is_read_has_an_end(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(bytes(4 << 20))
    ended = threading.Event()

    def grow():
        with open(path, "ab") as file:
            while not ended.is_set() and file.tell() < 1 << 30:
                file.write(bytes(1 << 20))

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert len(content_of(path)) == 64
    finally:
        ended.set()
        writer.join()
    assert content_of(path) == content_of(path)


def test_a_pipe_in_place_of_a_photo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert content_of(tmp_path / "a.png") == hashlib.sha256().hexdigest()


def test_the_library_refuses_a_giant_by_its_size(tmp_path):
    path = giant(tmp_path / "giant.jpg")
    with pytest.raises(LimitError, match=f"giant.jpg has {GIANT} bytes"):
        take(path)
    with open(path, "rb") as file, pytest.raises(LimitError, match=f"has {GIANT} bytes"):
        take(file)
    with pytest.raises(PhotoError, match="has nothing to read"):
        take(io.BytesIO())
