"""Ownership of a folder, which decides whether a socket, token or spool in it is trusted."""

import grp
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from ldrps_client import Client
from ldrps_engine.errors import LdrpsError, SettingsError
from ldrps_gimp import endpoint
from ldrps_gimp import ownership as plugins
from ldrps_gimp.errors import RestoreError
from ldrps_wire import ownership
from ldrps_wire.address import run_folder
from ldrps_wire.ownership import check_way, own_folder
from support.daemon import environment

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="ldrps"))
    yield made
    shutil.rmtree(made)


def refusals(path):
    """Return what both clients say of a path: the same, or one of them has a hole."""
    said = []
    for check in (check_way, plugins.check_way):
        try:
            check(path)
        except (SettingsError, RestoreError) as error:
            said.append(str(error))
    assert len(said) in (0, 2), said
    return said


def test_a_folder_of_ones_own_is_fine(folder):
    assert not refusals(folder / "s")
    assert not refusals(folder / "not" / "there" / "yet")
    (folder / "s").touch(mode=0o600)
    (folder / "link").symlink_to("s")
    assert not refusals(folder / "link")
    assert not refusals(folder / ".." / folder.name / "s")


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o1777, 0o702])
def test_a_last_folder_that_others_can_write_in_is_refused(folder, mode):
    folder.chmod(mode)
    said = refusals(folder / "s")
    assert said
    assert all(str(folder) in words for words in said)


@pytest.mark.parametrize("mode", [0o777, 0o702])
def test_so_is_one_on_the_way(folder, mode):
    (folder / "open" / "ours").mkdir(parents=True)
    (folder / "open").chmod(mode)
    assert refusals(folder / "open" / "ours" / "s")
    # Nobody can exchange ours in a folder like /tmp.
    (folder / "open").chmod(0o1777)
    assert not refusals(folder / "open" / "ours" / "s")


def test_a_link_leads_to_what_it_leads_to(folder):
    (folder / "open").mkdir()
    (folder / "open").chmod(0o1777)
    (folder / "safe").mkdir()
    (folder / "link").symlink_to(folder / "open")
    (folder / "safe" / "s").symlink_to(folder / "open" / "s")
    assert refusals(folder / "link" / "s")
    (folder / "open" / "s").touch(mode=0o600)
    assert refusals(folder / "safe" / "s")


def test_links_in_circles_end(folder):
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(SettingsError, match=r"circles|cannot be used"):
        check_way(folder / "a" / "s")


def test_a_token_that_others_can_write_is_refused(folder):
    (folder / "token").touch()
    (folder / "token").chmod(0o666)
    assert refusals(folder / "token")


@root
def test_what_belongs_to_somebody_else_is_refused(folder):
    (folder / "theirs" / "ours").mkdir(parents=True)
    os.chown(folder / "theirs", NOBODY, NOBODY)
    assert refusals(folder / "theirs" / "s")
    assert refusals(folder / "theirs" / "ours" / "s")
    (folder / "s").touch()
    os.chown(folder / "s", NOBODY, NOBODY)
    assert refusals(folder / "s")
    (folder / "link").symlink_to("ours")
    os.chown(folder / "link", NOBODY, NOBODY, follow_symlinks=False)
    assert refusals(folder / "link" / "s")


@root
def test_the_group_that_is_the_users_own_is_nobody_else(folder, monkeypatch):
    os.chown(folder, 0, 4711)
    folder.chmod(0o770)
    assert refusals(folder / "s")
    own = type("group", (), {"gr_name": "root", "gr_mem": []})
    monkeypatch.setattr(grp, "getgrgid", lambda number: own)
    assert not refusals(folder / "s")
    own.gr_mem = ["somebody"]
    assert refusals(folder / "s")


def test_every_folder_of_a_spool_is_checked(folder):
    (folder / "open" / "between").mkdir(parents=True)
    (folder / "open").chmod(0o777)
    with pytest.raises(SettingsError, match=rf"folder {folder}/open, on the way"):
        own_folder(folder / "open" / "between" / "spool")
    assert not (folder / "open" / "between" / "spool").exists()
    (folder / "open").chmod(0o755)
    before = os.umask(0)
    try:
        own_folder(folder / "new" / "between" / "spool")
        plugins.make_folder(folder / "plugin" / "between" / "spool")
    finally:
        os.umask(before)
    for made in ("new", "new/between", "new/between/spool", "plugin", "plugin/between"):
        assert (folder / made).stat().st_mode & 0o777 == 0o700


@pytest.fixture
def shared(folder, monkeypatch):
    """A run folder that all users have in common, in which somebody was first."""
    folder.chmod(0o1777)
    (folder / "ldrps").mkdir()
    if os.geteuid() == 0:
        os.chown(folder / "ldrps", NOBODY, NOBODY)
    (folder / "ldrps").chmod(0o777)
    home = Path(tempfile.mkdtemp(prefix="home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("LDRPS_ADDRESS", raising=False)
    yield folder
    shutil.rmtree(home)


@pytest.fixture
def spy(shared):
    """A stranger's daemon there, and everything it hears."""
    listener, heard = socket.socket(socket.AF_UNIX), []
    listener.bind(str(shared / "ldrps" / "ldrps.sock"))
    (shared / "ldrps" / "ldrps.sock").chmod(0o777)
    listener.listen()

    def hear():
        try:
            while True:
                guest, _ = listener.accept()
                with guest:
                    heard.append(guest.recv(99))
        except OSError:
            pass

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    yield heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_a_run_folder_that_is_shared_is_not_used(shared, spy):
    assert run_folder() == Path.home() / ".cache" / "ldrps" / "run"
    assert endpoint.run_folder() == run_folder()
    with Client(autostart=False) as client, pytest.raises(LdrpsError):
        client.status()
    assert not spy


def test_nor_is_a_socket_in_it_that_somebody_names(shared, spy):
    address = f"unix:{shared}/ldrps/ldrps.sock"
    with pytest.raises(SettingsError, match=f"folder {shared}/ldrps"):
        Client(address)
    code = "import sys; from ldrps_client.cli import main; sys.exit(main())"
    ran = subprocess.run(
        [sys.executable, "-c", code, "status", "--address", address],
        capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert ran.returncode == 2
    assert "use a folder of your own" in ran.stderr
    assert "Traceback" not in ran.stderr
    with pytest.raises(RestoreError, match="not safe"):
        endpoint.Endpoint(address, chosen=True).connect()
    assert not spy


def test_a_folder_that_changes_hands_later_is_noticed(folder):
    """Each call asks again: gRPC connects when it likes."""
    with Client(f"unix:{folder}/s", autostart=False) as client:
        folder.chmod(0o777)
        with pytest.raises(SettingsError, match="written by others"):
            client.status()


def test_nobody_is_root_where_root_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "map").write_text("1000 1000 1\n")
    (tmp_path / "overflow").write_text("65534\n")
    for module in (ownership, plugins):
        monkeypatch.setattr(module, "_UID_MAP", tmp_path / "map")
        monkeypatch.setattr(module, "_OVERFLOW", tmp_path / "overflow")
        getattr(module._trusted, "cache_clear", lambda: None)()
        assert module._trusted() == {os.geteuid(), 0, 65534}
        (tmp_path / "map").write_text("0 0 4294967295\n")
        getattr(module._trusted, "cache_clear", lambda: None)()
        assert module._trusted() == {os.geteuid(), 0}
        (tmp_path / "map").write_text("1000 1000 1\n")
    ownership._trusted.cache_clear()


def test_the_hot_folders_state_is_kept_where_nobody_else_writes(folder, monkeypatch):
    from ldrps_client.hotfolder.store._state import StateFolder
    from ldrps_engine.errors import OutputError

    folder.chmod(0o777)
    with pytest.raises(OutputError, match="XDG_STATE_HOME"):
        StateFolder(folder / "state").make()
    assert not list(folder.iterdir())


def test_so_is_that_of_work_for_a_server(folder, monkeypatch):
    from ldrps_client.immich._state import opened_state
    from ldrps_engine.errors import OutputError

    folder.chmod(0o777)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    refused = pytest.raises(OutputError, match=rf"folder {folder}, on the way .* XDG_STATE_HOME")
    with refused, opened_state("http://127.0.0.1:1"):
        pass
    assert not list(folder.iterdir())


def test_an_error_names_what_was_asked_for(folder):
    folder.chmod(0o777)
    with pytest.raises(SettingsError) as caught:
        own_folder(folder / "spool")
    assert f"on the way to {folder}/spool, can be written by others" in str(caught.value)


def test_without_owners_only_the_profile_is_private(tmp_path, monkeypatch):
    """On Windows access lists decide, and the profile's are closed to others."""
    monkeypatch.setattr(ownership, "HAS_OWNERS", False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "ann")
    (tmp_path / "ann").mkdir()
    own_folder(tmp_path / "ann" / "ldrps" / "run")
    (tmp_path / "ann" / "out").symlink_to(tmp_path)
    for elsewhere in ("shared", "annabel", "ann/out/shared"):
        with pytest.raises(SettingsError, match="alone is closed to other users"):
            own_folder(tmp_path / elsewhere)
        assert not (tmp_path / elsewhere).exists()
