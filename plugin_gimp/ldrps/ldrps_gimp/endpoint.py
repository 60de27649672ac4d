"""Address of the daemon, and advice to a user who has none. The rules are the client's."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.ownership import check_way, is_ours, is_private

ADDRESS_VARIABLE = "LDRPS_ADDRESS"
_TOKEN_VARIABLE = "LDRPS_TOKEN_FILE"
COMMAND_FILE = "command.txt"
"""File in the plug-in's folder: the `ldrps` command that installed it, by `gimp install`."""
_UNIX = "unix:"
# Prefix of an address of another machine, which the plug-in does not speak to.
_TLS = "tls:"
# Windows tries an unused port of its own for two seconds before it refuses.
_CONNECT_SECONDS = 2.0 if hasattr(os, "fork") else 5.0
_FIRST_PORT, _PORTS = 26000, 4000
# True where a daemon serves on a unix socket, as the kernel tells who is there; else on TCP.
_TELLS_PEERS = hasattr(socket, "AF_UNIX") and hasattr(socket, "SO_PEERCRED")

IN_ITS_OWN_SESSION: dict[str, Any] = (
    {"start_new_session": True}
    if hasattr(os, "fork")
    else {
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    }
)
"""Arguments of Popen for a process that outlives this one; on Windows it opens no window."""


@dataclass(frozen=True)
class Endpoint:
    """An address, and what is known about who may start a daemon there."""

    address: str
    """Address: `unix:PATH` or `HOST:PORT`."""
    chosen: bool
    """True if the user named it; then no daemon is started there."""

    def connect(self) -> socket.socket:
        """Open a connected socket; OSError if nothing listens, RestoreError if a stranger does."""
        if not self.address.startswith(_UNIX):
            return self._connect_tcp()
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no unix sockets; use 127.0.0.1:PORT")
        path = self.address.removeprefix(_UNIX)
        check_way(Path(path.removeprefix("//") if path.startswith("///") else path))
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(_CONNECT_SECONDS)
            sock.connect(path)
            if not is_ours(sock):
                raise self._impostor()
        except BaseException:
            sock.close()
            raise
        return sock

    def is_listening(self) -> bool:
        """Tell whether anything accepts connections there, of whatever kind."""
        try:
            if self.address.startswith(_UNIX):
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(_CONNECT_SECONDS)
                    probe.connect(self.address.removeprefix(_UNIX))
            else:
                host, _colon, port = self.address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        except (BlockingIOError, TimeoutError):
            return True  # so many wait there already that the kernel takes no more
        except (OSError, ValueError, AttributeError):  # the last: a system without unix sockets
            return False
        return True

    def _connect_tcp(self) -> socket.socket:
        """Connect, encrypted, to the holder of the key to the certificate next to the token."""
        import ssl  # not every GIMP has it, nor needs it for a unix socket

        host, _colon, port = self.address.rpartition(":")
        certificate = certificate_file()
        check_way(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=certificate.read_text())
        context.set_alpn_protocols(["h2"])
        sock = socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS)
        try:
            return context.wrap_socket(sock, server_hostname=host.strip("[]"))
        except ssl.SSLError:
            raise self._impostor() from None
        finally:
            # Which is empty where the other one has taken it over.
            sock.close()

    def _impostor(self) -> RestoreError:
        text = _(
            "What listens on {address} does not prove to be your daemon, so nothing was sent to it."
        )
        return RestoreError("unavailable", text.format(address=self.address))

    def metadata(self) -> dict[str, str]:
        """Return the metadata that lets us in: none on a unix socket, the token on TCP."""
        if self.address.startswith(_UNIX):
            return {}
        check_way(token_file())
        try:
            token = token_file().read_text().strip()
        except OSError:
            return {}
        return {"authorization": f"Bearer {token}"}


def default_endpoint() -> Endpoint:
    """Return `$LDRPS_ADDRESS`, or the user's own socket, or a port where daemons have none."""
    if address := os.environ.get(ADDRESS_VARIABLE):
        return Endpoint(_checked(address), chosen=True)
    if not _TELLS_PEERS:
        return Endpoint(f"127.0.0.1:{_default_port()}", chosen=False)
    return Endpoint(f"{_UNIX}{run_folder() / 'ldrps.sock'}", chosen=False)


def _default_port() -> int:
    digest = hashlib.sha256(run_folder().as_posix().encode()).digest()
    return _FIRST_PORT + int.from_bytes(digest[:4], "big") % _PORTS


def _checked(address: str) -> str:
    host, _colon, port = address.rpartition(":")
    if address.startswith(_UNIX) or (port.isdecimal() and not host.startswith(_TLS)):
        return address
    raise RestoreError(
        "settings",
        _("{variable} is not an address; use unix:PATH or 127.0.0.1:PORT").format(
            variable=ADDRESS_VARIABLE
        ),
    )


def run_folder() -> Path:
    """Return the folder of socket and token: under `$XDG_RUNTIME_DIR`, else under `~/.cache`.

    The latter also where the former is shared with others, who could be first in it. Where the
    daemon serves on TCP, it is where the system keeps state instead.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and is_private(Path(runtime)):
        return Path(runtime) / "ldrps"
    if _TELLS_PEERS:
        return Path.home() / ".cache" / "ldrps" / "run"
    return state_folder() / "run"


def state_folder() -> Path:
    """Return the folder for what outlives a process, as platformdirs tells it to the command."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home) / "ldrps"
    if local := os.environ.get("LOCALAPPDATA"):
        return Path(local) / "ldrps"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ldrps"
    return Path.home() / ".local" / "state" / "ldrps"


def token_file() -> Path:
    """Return the file with the token for TCP: `$LDRPS_TOKEN_FILE`, or the daemon's own."""
    return Path(os.environ.get(_TOKEN_VARIABLE) or run_folder() / "token")


def certificate_file() -> Path:
    """Return the certificate of the daemon at a loopback address, next to its token."""
    return token_file().with_name(f"{token_file().name}.pem")


def command() -> str | None:
    """Return the `ldrps` command that can start a daemon, if this GIMP can run one."""
    if in_flatpak():
        return None
    noted = Path(__file__).resolve().parents[1] / COMMAND_FILE
    try:
        known = noted.read_text(encoding="utf-8").strip()
    except OSError:
        known = ""
    return known if known and os.access(known, os.X_OK) else shutil.which("ldrps")


def in_flatpak() -> bool:
    """Tell whether this GIMP runs in flatpak's sandbox, where nothing outside can be started."""
    return Path("/.flatpak-info").exists()


def next_step() -> str:
    """Return the advice to a user who has no daemon."""
    if in_flatpak():
        return _(
            "Run 'ldrps gimp doctor' in a terminal: it says how this sandboxed GIMP "
            "is let through to the daemon."
        )
    if sys.platform != "linux":
        return _("Start the daemon with 'ldrps serve' and try again.")
    return _("Start it with 'ldrps serve' in a terminal, or run 'ldrps gimp doctor'.")
