"""Where the daemon is found unless someone says otherwise. The daemon asks here too."""

from __future__ import annotations

import os
from pathlib import Path

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
    """The folder of socket, lock and token: under `$XDG_RUNTIME_DIR`, else under `~/.cache`."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime) / "ldrps"
    return Path.home() / ".cache" / "ldrps" / "run"


def default_token_file() -> Path:
    """Where the daemon writes, and a client reads, the token: `$LDRPS_TOKEN_FILE`, or its own."""
    return Path(os.environ.get(TOKEN_VARIABLE) or run_folder() / TOKEN_NAME)
