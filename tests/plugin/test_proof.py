"""Proof that the plug-in speaks to its own daemon: tokens, certificates, owners of sockets."""

import contextlib
import socket
import threading

import pytest

from ldrps_gimp import endpoint
from ldrps_gimp.errors import RestoreError
from plugin import grpc_server
from plugin.test_daemon import client


def test_tcp_wants_the_token(start_daemon, tmp_path, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unused_port = probe.getsockname()[1]
    folder = tmp_path / "ldrps"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    address = f"127.0.0.1:{unused_port}"
    start_daemon(address=address, token_file=folder / "token")
    ours = client(address)
    assert ours.status()["pid"]
    (folder / "token").write_text("wrong")
    with pytest.raises(RestoreError, match="token"):
        ours.status()
    ours.close()


def listening(folder, family=socket.AF_UNIX, where=None):
    """A listener that is not the daemon, and everything sent to it."""
    listener, heard = socket.socket(family), []
    listener.bind(where or str(folder / "s"))
    listener.listen()

    def hear():
        with contextlib.suppress(OSError):
            while True:
                guest, _ = listener.accept()
                with guest:
                    guest.settimeout(2)
                    while data := guest.recv(4096):
                        heard.append(data)

    threading.Thread(target=hear, daemon=True).start()
    return listener, heard


@pytest.mark.parametrize("certified", [True, False])
def test_the_token_goes_to_nobody_but_the_daemon(tmp_path, monkeypatch, certified):
    """Somebody holds the port while the daemon is down."""
    from ldrps_daemon.transport.certificate import own_context
    from ldrps_daemon.transport.tokens import read_token

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    token = read_token(tmp_path / "ldrps" / "token")
    if certified:
        own_context(tmp_path / "ldrps" / "token")
    listener, heard = listening(tmp_path, socket.AF_INET, ("127.0.0.1", 0))
    ours = client(f"127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(RestoreError):
        ours.status()
    ours.close()
    listener.close()
    assert bool(heard) == certified
    assert token.encode() not in b"".join(heard)


def test_one_with_another_certificate_is_not_the_daemon(tmp_path, monkeypatch):
    from ldrps_daemon.transport.certificate import own_context
    from ldrps_daemon.transport.tokens import read_token

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    read_token(tmp_path / "ldrps" / "token")
    own_context(tmp_path / "ldrps" / "token")
    server, port = grpc_server.start(
        "127.0.0.1:0", grpc_server.credentials(tmp_path / "other" / "token")
    )
    ours = client(f"127.0.0.1:{port}")
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        ours.status()
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        ours.ensure_running()
    server.stop(0).wait()


def test_a_socket_of_somebody_else_is_not_spoken_to(tmp_path, monkeypatch):
    listener, heard = listening(tmp_path)
    monkeypatch.setattr(endpoint, "is_ours", lambda sock: False)
    with pytest.raises(RestoreError, match="does not prove to be your daemon"):
        client(f"unix:{tmp_path}/s").status()
    monkeypatch.undo()
    tmp_path.chmod(0o777)
    with pytest.raises(RestoreError, match="not safe from other users"):
        client(f"unix:{tmp_path}/s").status()
    tmp_path.chmod(0o700)
    listener.close()
    assert not heard
