"""XMP that a JPEG holds in more than one segment (XMP part 3, 1.1.3.1), put together again."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from ldrps_client.files.metadata._companions import is_about_companions
from ldrps_client.files.metadata._packet import Name, Packet

_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_LINK = Name("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
_DIGEST_LENGTH = 32
_START = len(_HEAD) + _DIGEST_LENGTH + 8
_MAX_BYTES = 1 << 24


def with_extension(xmp: bytes, segments: Iterable[tuple[str, bytes]]) -> bytes:
    """Merge the packet with its extension; `segments` are all of a JPEG's, by name.

    An extension that is incomplete is left out, and no longer referred to.
    """
    if _LINK.local.encode() not in xmp:
        return xmp
    parts = [data for name, data in segments if name == "APP1" and data.startswith(_HEAD)]
    packet = Packet(xmp)
    further = Packet(_joined(parts, packet.text(_LINK)))
    packet.remove(_LINK)
    for name in further.names():
        if not is_about_companions(name.space):
            packet.adopt(further, name)
    return packet.to_bytes()


def _joined(parts: list[bytes], digest: str) -> bytes:
    """Join the extension that the digest belongs to; empty if it is incomplete."""
    found: dict[int, bytes] = {}
    for part in parts:
        if part[len(_HEAD) : len(_HEAD) + _DIGEST_LENGTH] == digest.encode("latin-1", "replace"):
            _, offset = struct.unpack_from(">II", part.ljust(_START, b"\0"), _START - 8)
            found[offset] = part[_START:]
    whole = b"".join(found[offset] for offset in sorted(found))
    # Prescribed by the standard, and against accidents only.
    same = hashlib.md5(whole, usedforsecurity=False).hexdigest().upper() == digest
    return whole if same and len(whole) <= _MAX_BYTES else b""
