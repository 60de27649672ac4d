"""Services of systems other than this one, as far as they can be had here."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from ldrps_daemon.transport.tokens import read_token
from ldrps_engine.errors import SettingsError
from ldrps_engine.model_store import atomic
from ldrps_wire import ownership, system


def test_all_of_it_is_there_on_linux():
    """Keeps its own ways, which are chosen by these, from being lost by mistake."""
    assert system.TELLS_UNIX_PEERS
    assert system.TELLS_TCP_PEERS
    assert system.CONFINES
    assert system.PASSES_DESCRIPTORS
    assert atomic.SYNCS_FOLDERS
    assert atomic.REMOVES_OPEN_FILES
    assert system.HAS_OWNERS
    assert system.SELECTED_SOCKETS is None
    assert system.IN_ITS_OWN_SESSION == {"start_new_session": True}
    assert system.KILLED == -9
    assert os.O_CLOEXEC == atomic.CLOSED_ON_EXEC


@pytest.mark.parametrize(
    ("code", "status"), [(0, 0), (1, 1), (-9, -9), (28, 28), (0xC0000005, -1073741819)]
)
def test_a_crash_on_windows_counts_as_a_signal(code, status):
    assert system.exit_status(code) == status


def test_a_port_is_nobody_elses(monkeypatch):
    asked = []

    class Asked(socket.socket):
        def setsockopt(self, *what):
            asked.append(what)
            super().setsockopt(*what)

    # Any option that this system has stands for the one that Windows alone has.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    monkeypatch.setattr(socket, "socket", Asked)
    monkeypatch.setattr(system, "_FREED_SECONDS", 0.3)
    with system.listening(("127.0.0.1", 0), backlog=3) as listener:
        place = listener.getsockname()
        with pytest.raises(OSError, match="in use"):
            system.listening(place, backlog=3)
        socket.create_connection(place, 5).close()
        assert len(asked) > 2, "it is tried again for a moment"
    assert asked[0] == (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def test_a_lock_on_windows_leaves_the_text_readable(tmp_path, monkeypatch):
    """There a locked byte cannot be read by anybody else, so it is one behind the end."""
    calls, taken = [], set()

    def locking(descriptor, mode, count):
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        calls.append((mode, at, count))
        if at in taken:
            raise PermissionError(13, "Permission denied")
        taken.add(at)

    monkeypatch.setattr(system, "fcntl", None)
    monkeypatch.setattr(system, "msvcrt", SimpleNamespace(locking=locking, LK_LOCK=1, LK_NBLCK=2))
    path = tmp_path / "lock"
    path.write_text("123\n")
    with path.open("r+") as first, path.open("r+") as second:
        system.lock(first, wait=False)
        with pytest.raises(BlockingIOError):
            system.lock(second, wait=False)
        assert second.read() == "123\n"
    assert [mode for mode, _, _ in calls] == [2, 2]
    assert all(at > 1 << 20 and count == 1 for _, at, count in calls)


def test_a_file_that_a_scanner_holds_is_replaced_a_moment_later(tmp_path, monkeypatch):
    held, real = [2], os.replace

    def replace(source, target):
        if held[0]:
            held[0] -= 1
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PermissionError):
        atomic.write_atomically(tmp_path / "file", b"new")
    monkeypatch.setattr(atomic, "REMOVES_OPEN_FILES", False)
    held[0] = 2
    atomic.write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    held[0] = 1 << 30
    monkeypatch.setattr(atomic, "_PATIENCE_SECONDS", 0.1)
    with pytest.raises(PermissionError):
        atomic.write_atomically(tmp_path / "file", b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_bytes_are_written_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pwrite")
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_WRONLY)
    assert system.write_at(descriptor, b"ab", 4) == 2
    os.close(descriptor)
    assert path.read_bytes() == b"0123ab6789"


def test_a_token_outside_of_the_profile_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "HAS_OWNERS", False)
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    assert len(read_token(tmp_path / "ann" / "own" / "token")) == 64
    with pytest.raises(SettingsError, match="alone is closed to other users"):
        read_token(tmp_path / "shared" / "token")
    assert not (tmp_path / "shared").exists()


def synced(monkeypatch, folder):
    """Names within a folder in the order in which they are synced or get their name."""
    events, sync, replace, rename = [], atomic.sync, os.replace, os.rename

    def noted(kind, call):
        def run(*paths):
            events.append((kind, *(Path(path).relative_to(folder.parent).name for path in paths)))
            return call(*paths)

        return run

    monkeypatch.setattr(atomic, "sync", noted("sync", sync))
    monkeypatch.setattr(os, "replace", noted("name", replace))
    monkeypatch.setattr(os, "rename", noted("name", rename))
    return events


def test_a_file_of_a_writer_that_wants_a_name_is_on_the_disk_before_it_has_its_own(
    tmp_path, monkeypatch
):
    events = synced(monkeypatch, tmp_path)
    with atomic.unfinished(tmp_path / "file") as part:
        part.write_bytes(b"new")
    assert events == [
        ("sync", "file.part"),
        ("name", "file.part", "file"),
        ("sync", tmp_path.name),
    ]
    failing = atomic.unfinished(tmp_path / "file")
    failing.__enter__().write_bytes(b"newer")
    assert failing.__exit__(ValueError, ValueError("broken"), None) is not True
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"new")]


def test_a_folder_is_on_the_disk_with_all_in_it_before_it_has_its_name(tmp_path, monkeypatch):
    part = tmp_path / "part"
    (part / "sub").mkdir(parents=True)
    (part / "sub" / "file").write_bytes(b"new")
    events = synced(monkeypatch, tmp_path)
    atomic.folder_into_place(part, tmp_path / "folder")
    named = events.index(("name", "part", "folder"))
    assert set(events[:named]) == {("sync", "file"), ("sync", "sub"), ("sync", "part")}
    assert events[named + 1 :] == [("sync", tmp_path.name)]
    assert (tmp_path / "folder" / "sub" / "file").read_bytes() == b"new"
