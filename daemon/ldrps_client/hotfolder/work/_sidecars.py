"""Sidecars of an original, in which other programs note XMP that goes into its result."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ldrps_client._text import cause
from ldrps_client.files import LoadedFile
from ldrps_client.files.metadata._companions import is_about_companions
from ldrps_client.files.metadata._embedded import LARGEST_SIDECAR
from ldrps_client.files.metadata._packet import Name, Packet, is_packet
from ldrps_client.hotfolder.detect._settling import identity_of
from ldrps_client.hotfolder.store._entry import Identity

_DC = "http://purl.org/dc/elements/1.1/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
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
# Of a file and not of a photo: of the very one that the sidecar was written for, mostly a raw.
_OF_A_FILE = {
    Name(_DC, "format"),
    *(Name(_EXIF, name) for name in ("PixelXDimension", "PixelYDimension", "ColorSpace")),
    *(Name(_EXIF, name) for name in ("CompressedBitsPerPixel", "ComponentsConfiguration")),
    *(Name(_PHOTOSHOP, name) for name in ("SidecarForExtension", "EmbeddedXMPDigest")),
    *(Name(_PHOTOSHOP, name) for name in ("ICCProfile", "ColorMode")),
    Name("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),
    Name("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
}


def sidecars_of(photo: Path) -> list[Path]:
    """Return the existing ones of `photo.jpg.xmp` and `photo.xmp`, the more exact one last."""
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


def identities(photo: Path) -> dict[Path, Identity | None]:
    """Return the photo's sidecars as they are now, to be compared with later ones."""
    return {path: identity_of(path) for path in sidecars_of(photo)}


def with_sidecars(loaded: LoadedFile, keyword: str | None = None) -> LoadedFile:
    """Add the contents of a photo's sidecars to its XMP, and one more keyword if asked.

    Its warnings name the sidecars that could not be used.
    """
    if not keyword and not sidecars_of(loaded.path):
        return loaded
    packet, odd = merged(loaded.metadata.xmp, loaded.path, keyword)
    metadata = replace(loaded.metadata, xmp=packet.to_bytes())
    return replace(loaded, metadata=metadata, warnings=(*loaded.warnings, *odd))


def merged(xmp: bytes, photo: Path, keyword: str | None) -> tuple[Packet, list[str]]:
    """Merge the packets of the photo's sidecars; returns a sentence on each that is unusable.

    An unusable sidecar counts as none: it is not worth a photo.
    """
    packet, odd = Packet(xmp), []
    for sidecar in sidecars_of(photo):
        try:
            _adopt(packet, _read(sidecar))
        except _UnusableError as why:
            odd.append(f"{sidecar} {why}, so nothing of it is in the result; save it again")
    if keyword:
        _add_keyword(packet, keyword)
    return packet, odd


def carried(photo: Path) -> set[Name]:
    """Return the properties that a photo's sidecars say something about."""
    names: set[Name] = set()
    for sidecar in sidecars_of(photo):
        with suppress(_UnusableError):
            names |= {name for name in _read(sidecar).names() if _is_carried(name)}
    return names | {name for name, _ in _KEYWORDS}


class _UnusableError(Exception):
    """Sidecar that says nothing; in words that continue after its name."""


def _read(sidecar: Path) -> Packet:
    try:
        if os.path.getsize(sidecar) > LARGEST_SIDECAR:
            raise _UnusableError(f"is larger than {LARGEST_SIDECAR >> 20} MiB")
        data = sidecar.read_bytes()
    except OSError as error:
        raise _UnusableError(f"cannot be read: {cause(error)}") from None
    if not is_packet(data):
        raise _UnusableError("is no XMP that can be read")
    return Packet(data)


def _adopt(packet: Packet, sidecar: Packet) -> None:
    for name in sorted(sidecar.names()):
        if _is_carried(name):
            packet.adopt(sidecar, name)


def _is_carried(name: Name) -> bool:
    of_a_file = name in _OF_A_FILE or is_about_companions(name.space)
    return name.space not in _NOT_CARRIED and not of_a_file


def _add_keyword(packet: Packet, keyword: str) -> None:
    """Add a keyword to the plain list, and to the trees of digiKam, Immich and Lightroom."""
    plain = packet.items(_KEYWORDS[0][0])
    for name, prefix in _KEYWORDS:
        items = packet.items(name)
        # Immich reads the tree only: without one it would not see the plain list.
        if not items and prefix == "digiKam":
            items = plain
        if items or prefix != "lr":
            packet.set_bag(name, prefix, [*items, *([] if keyword in items else [keyword])])
