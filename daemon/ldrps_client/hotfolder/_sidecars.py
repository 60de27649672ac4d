"""What other programs noted in XMP sidecars of an original goes into its result."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ldrps_client.files import LoadedFile
from ldrps_client.files._packet import Name, Packet

_DC = "http://purl.org/dc/elements/1.1/"
_DIGIKAM = "http://www.digikam.org/ns/1.0/"
_LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
# (property, its usual prefix, what stands between the levels of a tree)
_KEYWORDS = (
    (Name(_DC, "subject"), "dc"),
    (Name(_DIGIKAM, "TagsList"), "digiKam"),
    (Name(_LIGHTROOM, "hierarchicalSubject"), "lr"),
)
# What describes the original's file or its development, which its result has not been through.
_NOT_CARRIED = (
    "http://darktable.sf.net/",
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/camera-raw-saved-settings/1.0/",
    "http://ns.adobe.com/xap/1.0/mm/",
    "http://ns.adobe.com/tiff/1.0/",
    "http://www.rawtherapee.com/",
)
_LARGEST = 8 << 20


def sidecars_of(photo: Path) -> list[Path]:
    """Those that are there, of `photo.jpg.xmp` and `photo.xmp`; the more exact one last."""
    wanted = (photo.with_suffix(".xmp").name, f"{photo.name}.xmp")
    found = []
    for name in wanted:
        # Windows programs like capitals.
        for spelled in (name, name[:-3] + "XMP"):
            path = photo.with_name(spelled)
            # Not asked by Path, to which a name that is too long is an error.
            if os.path.isfile(path) and path not in found:
                found.append(path)
    return found


def with_sidecars(loaded: LoadedFile, keyword: str | None = None) -> LoadedFile:
    """A photo whose XMP also says what its sidecars say, and has one more keyword if asked."""
    sidecars = sidecars_of(loaded.path)
    if not sidecars and not keyword:
        return loaded
    packet = Packet(loaded.metadata.xmp)
    for sidecar in sidecars:
        _adopt(packet, _read(sidecar))
    if keyword:
        _add_keyword(packet, keyword)
    return replace(loaded, metadata=replace(loaded.metadata, xmp=packet.to_bytes()))


def _read(sidecar: Path) -> bytes:
    """A sidecar that cannot be read is as none: it is not worth a photo."""
    try:
        if os.path.getsize(sidecar) > _LARGEST:
            return b""
        return sidecar.read_bytes()
    except OSError:
        return b""


def _adopt(packet: Packet, data: bytes) -> None:
    sidecar = Packet(data)
    for name in sorted(sidecar.names()):
        if name.space not in _NOT_CARRIED:
            packet.adopt(sidecar, name)


def _add_keyword(packet: Packet, keyword: str) -> None:
    """To the plain list, and to the trees that digiKam, Immich and Lightroom prefer to it."""
    plain = packet.items(_KEYWORDS[0][0])
    for name, prefix in _KEYWORDS:
        items = packet.items(name)
        # Immich reads the tree only: without one it would not see the plain list.
        if not items and prefix == "digiKam":
            items = plain
        if items or prefix != "lr":
            packet.set_bag(name, prefix, [*items, *([] if keyword in items else [keyword])])
