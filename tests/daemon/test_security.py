import os
import stat
from pathlib import Path

import pytest

from ldrps_daemon.transport.security import check_address, own_folder, take_lock
from ldrps_daemon.transport.tokens import read_token
from ldrps_engine.errors import SettingsError, UnavailableError
from ldrps_wire.address import check_address_is_ours, default_address, run_folder


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:50051",
        "192.168.1.2:50051",
        "[::]:50051",
        "example.com:50051",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        "unix-abstract:x",
        "dns:localhost:1",
        "",
    ],
)
def test_open_addresses_are_refused(address):
    with pytest.raises(SettingsError, match="refused"):
        check_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:5", "localhost:50051", "[::1]:65535"])
def test_loopback_is_taken(address):
    assert check_address(address).target == address


@pytest.mark.parametrize("address", ["unix:/run/x/s", "unix:///run/x/s"])
def test_both_spellings_of_a_socket_are_the_same(address):
    place = check_address(address)
    assert (place.target, place.lock) == ("unix:/run/x/s", Path("/run/x/s.lock"))


def test_a_socket_without_a_name_is_refused():
    with pytest.raises(SettingsError, match="names no socket"):
        check_address("unix:")


def test_a_path_too_long_for_a_socket_is_refused():
    with pytest.raises(SettingsError, match="107 bytes; at most 106"):
        check_address("unix:/" + "x" * 106)
    assert check_address("unix:/" + "x" * 105)
    with pytest.raises(SettingsError, match="107 bytes; at most 106"):
        check_address_is_ours("unix:/" + "x" * 106)


def test_folders_are_made_private(tmp_path):
    own_folder(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_folders_of_others_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    with pytest.raises(SettingsError, match="entered by others"):
        own_folder(tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        own_folder(tmp_path / "file")


def test_an_address_has_one_holder(tmp_path):
    place = check_address(f"unix:{tmp_path}/s")
    with take_lock(place), pytest.raises(UnavailableError, match=rf"pid {os.getpid()}\)"):
        take_lock(place)
    take_lock(place).close()


def test_token_is_made_once_and_private(tmp_path):
    path = tmp_path / "run" / "token"
    token = read_token(path)
    assert len(token) == 64
    assert read_token(path) == token
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="open to others"):
        read_token(path)


def test_default_address_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LDRPS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_address() == f"unix:{tmp_path}/ldrps/ldrps.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    assert run_folder() == tmp_path / "someone/.cache/ldrps/run"
    monkeypatch.setenv("LDRPS_ADDRESS", "localhost:1")
    assert default_address() == "localhost:1"
