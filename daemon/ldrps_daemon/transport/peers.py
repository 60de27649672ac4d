"""Identity of the other end of a connection, from the kernel."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct

from ldrps_wire.system import TELLS_TCP_PEERS

# See sock_diag(7): a netlink header, inet_diag_req_v2, and in the answer inet_diag_msg.
_SOCK_DIAG, _BY_FAMILY, _REQUEST, _ANY = 4, 20, 1, 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI")
_PORTS = struct.Struct(">HH")
_USER = struct.Struct("=I")
_USER_OFFSET = _HEADER.size + 4 + 48 + 12
_DIAG_SECONDS = 1.0
# Bits of an IPv6 address that one group has for itself.
_NEIGHBOURS = 64


def may_enter(uid: int) -> bool:
    """Tell whether a user may connect: the daemon's own; the superuser can do anything anyway."""
    return uid in (os.geteuid(), 0)


def peer_group(peer: socket.socket) -> str:
    """Name the group that shares the limit of connections with a TCP peer.

    On this machine it is a user, else an address, or the IPv6 network of one.
    """
    host = peer.getpeername()[0].partition("%")[0]
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        user = user_of(peer)
        return f"{address}" if user is None else f"{address} user {user}"
    if address.version == 6:
        return str(ipaddress.ip_network((address, _NEIGHBOURS), strict=False))
    return str(address)


def user_of(peer: socket.socket) -> int | None:
    """Find the user of the process at the other end of a TCP connection within this machine.

    None where the kernel does not say: then all users of the machine are one group.
    """
    if not TELLS_TCP_PEERS:
        return None
    with contextlib.suppress(OSError, struct.error):
        return _user_of(peer)
    return None


def _user_of(peer: socket.socket) -> int | None:
    theirs, ours = peer.getpeername(), peer.getsockname()
    places = [socket.inet_pton(peer.family, place[0].partition("%")[0]) for place in (theirs, ours)]
    question = (
        _QUESTION.pack(peer.family, socket.IPPROTO_TCP, 0, 0, _ANY)
        + _PORTS.pack(theirs[1], ours[1])
        + b"".join(place.ljust(16, b"\0") for place in places)
        + struct.pack("=III", 0, _ANY, _ANY)
    )
    header = _HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as ask:
        ask.settimeout(_DIAG_SECONDS)
        ask.sendto(header + question, (0, 0))
        answer = ask.recv(1 << 16)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind != _BY_FAMILY:
        return None
    return int(_USER.unpack_from(answer, _USER_OFFSET)[0])
