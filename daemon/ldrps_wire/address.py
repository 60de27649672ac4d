"""Address of the daemon unless someone says otherwise. The daemon asks here too."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_wire.ownership import check_way, is_private

ADDRESS_VARIABLE = "LDRPS_ADDRESS"
TOKEN_VARIABLE = "LDRPS_TOKEN_FILE"
SOCKET_NAME = "ldrps.sock"
TOKEN_NAME = "token"
UNIX = "unix:"
TLS = "tls:"


def default_address() -> str:
    """`$LDRPS_ADDRESS`, or the socket in the user's own run folder."""
    return os.environ.get(ADDRESS_VARIABLE) or f"{UNIX}{run_folder() / SOCKET_NAME}"


def run_folder() -> Path:
    """The folder of socket, lock and token: under `$XDG_RUNTIME_DIR`, else under `~/.cache`.

    The latter also where the former is shared with others, who could be first in it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and is_private(Path(runtime)):
        return Path(runtime) / "ldrps"
    return Path.home() / ".cache" / "ldrps" / "run"


def default_token_file() -> Path:
    """File of the token, which the daemon writes: `$LDRPS_TOKEN_FILE`, or its own."""
    return Path(os.environ.get(TOKEN_VARIABLE) or run_folder() / TOKEN_NAME)


def certificate_file(token_file: Path) -> Path:
    """Certificate with which the daemon of a loopback address proves itself, beside its token."""
    return token_file.with_name(f"{token_file.name}.pem")


def check_address_is_ours(address: str) -> None:
    """Refuse a unix socket that another user could have put there; SettingsError says where."""
    if not address.startswith(UNIX):
        return
    if not hasattr(socket, "AF_UNIX"):
        raise SettingsError(
            "this system has no unix sockets, so the daemon runs on another machine; name it in "
            f"{ADDRESS_VARIABLE}, as tls:HOST:PORT, or as 127.0.0.1:PORT with its token here"
        )
    check_way(socket_path(address))


def socket_path(address: str) -> Path:
    """The file that `unix:PATH` or `unix://PATH` names."""
    path = address.removeprefix(UNIX)
    return Path(path.removeprefix("//") if path.startswith("///") else path).absolute()
