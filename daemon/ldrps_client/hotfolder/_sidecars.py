"""What other programs noted in XMP sidecars of an original goes into its result."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ldrps_client.files import LoadedFile
from ldrps_client.files._companions import is_about_companions
from ldrps_client.files._packet import Name, Packet

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
_LARGEST = 8 << 20


def sidecars_of(photo: Path) -> list[Path]:
    """Those that are there, of `photo.jpg.xmp` and `photo.xmp`; the more exact one last."""
    wanted = (photo.with_suffix(".xmp").name, f"{photo.name}.xmp")
    found = []
    for name in wanted:
        # Windows programs like capitals.
        for spelled in (name, name[:-3] + "XMP"):
            path = photo.with_name(spelled)
            if path.is_file() and path not in found:
                found.append(path)
    return found


def with_sidecars(loaded: LoadedFile, keyword: str | None = None) -> LoadedFile:
    """A photo whose XMP also says what its sidecars say, and has one more keyword if asked.

    A sidecar that could not be used is among its warnings.
    """
    sidecars = sidecars_of(loaded.path)
    if not sidecars and not keyword:
        return loaded
    packet = Packet(loaded.metadata.xmp)
    odd = []
    for path in sidecars:
        if (sidecar := _read(path)) is None:
            odd.append(f"{path} cannot be read as XMP, and is left out")
        else:
            _adopt(packet, sidecar)
    if keyword:
        _add_keyword(packet, keyword)
    return replace(
        loaded,
        metadata=replace(loaded.metadata, xmp=packet.to_bytes()),
        warnings=(*loaded.warnings, *odd),
    )


def _read(sidecar: Path) -> Packet | None:
    """What a sidecar says; None if it cannot be read: it is not worth a photo."""
    try:
        if os.path.getsize(sidecar) > _LARGEST:
            return None
        packet = Packet(sidecar.read_bytes())
    except OSError:
        return None
    return None if packet.is_broken else packet


def _adopt(packet: Packet, sidecar: Packet) -> None:
    for name in sorted(sidecar.names()):
        of_a_file = name in _OF_A_FILE or is_about_companions(name.space)
        if name.space not in _NOT_CARRIED and not of_a_file:
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
