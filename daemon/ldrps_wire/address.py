"""Address of the daemon unless someone says otherwise. The daemon asks here too."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_wire.ownership import check_way, is_private
from ldrps_wire.system import TELLS_UNIX_PEERS, UNIX_FAMILY

ADDRESS_VARIABLE = "LDRPS_ADDRESS"
TOKEN_VARIABLE = "LDRPS_TOKEN_FILE"
SOCKET_NAME = "ldrps.sock"
# sockaddr_un holds 108 bytes, the last of which is a NUL; gRPC's own socket has one more letter.
MAX_SOCKET_PATH = 106
TOKEN_NAME = "token"
UNIX = "unix:"
TLS = "tls:"


_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):([0-9]{1,5})")
_ANY_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
# Ports of daemons where there is no socket to serve on: none that systems give to connections.
_FIRST_PORT, _PORTS = 26000, 4000


def default_address() -> str:
    """`$LDRPS_ADDRESS`, or the socket in the user's own run folder.

    `127.0.0.1:PORT` where the kernel does not say who is at a socket; each user has a port.
    """
    if address := os.environ.get(ADDRESS_VARIABLE):
        return address
    if TELLS_UNIX_PEERS:
        return f"{UNIX}{run_folder() / SOCKET_NAME}"
    return f"127.0.0.1:{default_port()}"


def default_port() -> int:
    """The user's own port, derived from the run folder, so that all who look there agree."""
    digest = hashlib.sha256(run_folder().as_posix().encode()).digest()
    return _FIRST_PORT + int.from_bytes(digest[:4], "big") % _PORTS


def run_folder() -> Path:
    """The folder of socket, lock and token: under `$XDG_RUNTIME_DIR`, else under `~/.cache`.

    The latter also where the former is shared with others, who could be first in it. Where the
    daemon serves on TCP, it is where the system keeps state instead.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and is_private(Path(runtime)):
        return Path(runtime) / "ldrps"
    if TELLS_UNIX_PEERS:
        return Path.home() / ".cache" / "ldrps" / "run"
    return state_folder() / "run"


def state_folder() -> Path:
    """The folder for what outlives a process: under `$XDG_STATE_HOME`, else the system's own."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home) / "ldrps"
    import platformdirs  # which takes a moment, and Linux's own folders are found without it

    return Path(platformdirs.user_state_dir("ldrps", appauthor=False))


def default_token_file() -> Path:
    """File of the token, which the daemon writes: `$LDRPS_TOKEN_FILE`, or its own."""
    return Path(os.environ.get(TOKEN_VARIABLE) or run_folder() / TOKEN_NAME)


def certificate_file(token_file: Path) -> Path:
    """Certificate with which the daemon of a loopback address proves itself, next to its token."""
    return token_file.with_name(f"{token_file.name}.pem")


def has_tcp_form(address: str) -> bool:
    """Tell whether an address is `tls:HOST:PORT`, or `HOST:PORT` for a host of the loopback."""
    host = _ANY_HOST if address.startswith(TLS) else _LOOPBACK
    match = host.fullmatch(address.removeprefix(TLS))
    return match is not None and 0 < int(match[2]) <= 65535


def check_form(address: str) -> None:
    """Refuse what is no address of a daemon; SettingsError says which forms there are."""
    if not isinstance(address, str):
        raise SettingsError(f"address is {address!r}; give a text, such as unix:PATH")
    if (address.startswith(UNIX) and Path(address.removeprefix(UNIX)).name) or has_tcp_form(
        address
    ):
        return
    raise SettingsError(
        f"address '{address}' is not understood; give unix:PATH, 127.0.0.1:PORT, or tls:HOST:PORT "
        "for another machine, with a port from 1 to 65535"
    )


def check_address_is_ours(address: str) -> None:
    """Refuse a unix socket that another user could have put there; SettingsError says where."""
    if not address.startswith(UNIX):
        return
    if UNIX_FAMILY is None:
        raise SettingsError(
            f"this system has no unix sockets, so there is no {address}; give 127.0.0.1:PORT, or "
            "tls:HOST:PORT for another machine"
        )
    check_socket_length(socket_path(address), "choose a shorter address")
    check_way(socket_path(address))


def check_socket_length(path: Path, remedy: str) -> None:
    """Refuse a path that no socket can have; SettingsError says so, and the `remedy`."""
    length = len(os.fsencode(path))
    if TELLS_UNIX_PEERS and length > MAX_SOCKET_PATH:
        raise SettingsError(
            f"the socket path {path} has {length} bytes; at most {MAX_SOCKET_PATH} can be "
            f"taken, so {remedy}"
        )


def socket_path(address: str) -> Path:
    """The file that `unix:PATH` or `unix://PATH` names."""
    path = address.removeprefix(UNIX)
    return Path(path.removeprefix("//") if path.startswith("///") else path).absolute()
