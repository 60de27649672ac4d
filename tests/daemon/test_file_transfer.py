"""Files and messages on their way between the front and a node."""

import errno
from pickle import PickleBuffer

import pytest

from ldrps_daemon.cluster import actor, file_transfer
from ldrps_daemon.cluster.file_transfer import Receiver
from ldrps_daemon.storage.spool import JobFolder


def test_a_file_comes_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(file_transfer, "PIECE_BYTES", 1000)
    here, there = JobFolder(tmp_path / "here"), JobFolder(tmp_path / "there")
    for folder in (here, there):
        folder.path.mkdir()
    for size in (0, 1, 1000, 1001, 5000):
        here.pixels.write_bytes(bytes(range(256)) * 20)
        with here.pixels.open("r+b") as file:
            file.truncate(size)
        receiver = Receiver(there, file_transfer.TO_NODE, 10_000)
        for piece in file_transfer.pieces(here, "pixels"):
            receiver.take(piece)
        assert there.pixels.read_bytes() == here.pixels.read_bytes()
    assert [path.name for path in there.path.iterdir()] == ["pixels"]
    assert not list(file_transfer.pieces(here, "checkpoint"))


def test_messages_come_in_their_order_large_ones_without_being_joined(tmp_path):
    large = bytes(100_000)
    sent = [b"B", b"C1", large, large, b"C2", memoryview(b"C3")]
    blocks = list(file_transfer.blocks(sent))
    assert [type(block) for block in blocks] == [bytes, PickleBuffer, PickleBuffer, bytes]
    came = [block if isinstance(block, bytes) else memoryview(block) for block in blocks]
    assert [bytes(each) for block in came for each in file_transfer.unpacked(block)] == sent


@pytest.mark.parametrize("block", [b"x", bytes(9), b"\0\0\0\0\0\0\0\5abc", memoryview(b"")])
def test_what_is_no_block_of_messages_is_refused(block):
    with pytest.raises(ValueError, match="no "):
        list(file_transfer.unpacked(block))


def test_pieces_that_are_not_kept_share_their_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(file_transfer, "PIECE_BYTES", 100)
    folder = JobFolder(tmp_path)
    folder.pixels.write_bytes(bytes(range(250)))
    kept = list(file_transfer.pieces(folder, "pixels"))
    assert b"".join(piece[3:] for piece in kept) == bytes(range(250))
    passing = file_transfer.pieces(folder, "pixels", kept=False)
    assert b"".join(bytes(piece[3:]) for piece in passing) == bytes(range(250))
    first, second, _ = file_transfer.pieces(folder, "pixels", kept=False)
    assert first.obj is second.obj


def test_half_a_file_gets_no_name(tmp_path):
    receiver = Receiver(JobFolder(tmp_path), file_transfer.TO_FRONT, 100)
    receiver.take(b"Fr+half")
    assert not (tmp_path / "result").exists()
    receiver.close()
    assert not list(tmp_path.iterdir())


def test_a_file_with_a_part_that_found_no_room_gets_no_name(tmp_path, monkeypatch):
    receiver = Receiver(JobFolder(tmp_path), file_transfer.TO_FRONT, 100)
    with monkeypatch.context() as full:
        full.setattr(file_transfer.os, "fsync", no_room)
        with pytest.raises(OSError, match="No space"):
            receiver.take(b"Fk.half")
    assert not list(tmp_path.iterdir())
    # The next checkpoint is another file, and the rest of a broken one is not its beginning.
    receiver.take(b"Fk.whole")
    assert (tmp_path / "checkpoint").read_bytes() == b"whole"
    receiver._broken.add("result")
    receiver.take(b"Fr+of the broken one")
    receiver.take(b"Fr.its end")
    assert not (tmp_path / "result").exists()
    receiver.take(b"Fr.new")
    assert (tmp_path / "result").read_bytes() == b"new"


def no_room(_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (b"Fp.pixels of the front", "no piece"),
        (b"F/.x", "no piece"),
        (b"Rr.x", "no piece"),
        (b"Fr?x", "no piece"),
        (b"F", "no piece"),
        (b"Fr." + bytes(101), "more than 100 bytes"),
    ],
)
def test_a_node_that_talks_rubbish_writes_nothing(tmp_path, piece, said):
    with pytest.raises(ValueError, match=said):
        Receiver(JobFolder(tmp_path), file_transfer.TO_FRONT, 100).take(piece)
    assert not list(tmp_path.iterdir())


def test_checkpoints_take_each_others_place(tmp_path):
    receiver = Receiver(JobFolder(tmp_path), file_transfer.TO_FRONT, 100)
    for number in range(9):
        receiver.take(b"Fk." + bytes([number]) * 60)
    assert (tmp_path / "checkpoint").read_bytes() == bytes([8]) * 60


def test_what_actors_left_that_were_killed_goes_from_a_node(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone, other = tmp_path / f"ldrps-node-{2**22 + 1}-x", tmp_path / "ldrps-node-of-somebody"
    for folder in (gone, other):
        folder.mkdir()
    mine = actor._own_folder()
    assert actor._own_folder() != mine
    assert mine.stat().st_mode & 0o777 == 0o700
    assert mine.exists()
    assert other.exists()
    assert not gone.exists()
