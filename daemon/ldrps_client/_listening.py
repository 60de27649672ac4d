"""Distinction between a daemon that does not answer and an absent one."""

from __future__ import annotations

import socket

from ldrps_engine.errors import UnavailableError
from ldrps_wire.address import TLS, UNIX, socket_path
from ldrps_wire.system import PASSES_DESCRIPTORS, UNIX_FAMILY

# Windows tries an unused port of its own for two seconds before it refuses.
_CONNECT_SECONDS = 2.0 if PASSES_DESCRIPTORS else 5.0


def is_listening(address: str) -> bool:
    """Tell whether anything accepts connections there, of whatever kind."""
    try:
        if address.startswith(UNIX):
            if UNIX_FAMILY is None:
                return False
            with socket.socket(UNIX_FAMILY) as probe:
                probe.settimeout(_CONNECT_SECONDS)
                probe.connect(str(socket_path(address)))
        else:
            host, _, port = address.removeprefix(TLS).rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except BlockingIOError:
        return True  # so many wait there already that the kernel takes no more
    except TimeoutError:
        # The same over TCP. A firewall between two machines looks alike.
        return not address.startswith(TLS)
    except (OSError, ValueError):
        return False
    return True


def silent(address: str) -> UnavailableError:
    """Return the error for a process that listens at an address and answers nothing.

    An overcrowded or hanging daemon is not an absent one.
    """
    return UnavailableError(
        f"something listens on {address} but does not answer; try again in a moment, or end it "
        "by hand"
    )
