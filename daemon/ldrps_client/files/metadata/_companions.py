"""References in XMP to videos, gain maps and pictures next to the photo, which no result has.

A program that believed them would look for a video, or apply a gain map, that is not there.
"""

from __future__ import annotations

from ldrps_client.files.metadata._packet import Name, Packet

_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_XMP = "http://ns.adobe.com/xap/1.0/"
VIDEO = "the video in it is not carried over"
GAIN_MAP = "its gain map for HDR is not carried over; the result is SDR"
DEPTH = "its depth map is not carried over"
PICTURES = "further pictures in it are not carried over"
_SOUND = "the sound in it is not carried over"

# By namespace, all of whose properties are about the companion. The longest ones first.
_SPACES = (
    ("http://ns.adobe.com/hdr-gain-map/1.0/", GAIN_MAP),
    ("http://ns.apple.com/HDRGainMap/1.0/", GAIN_MAP),
    ("http://ns.google.com/photos/1.0/depthmap/", DEPTH),
    ("http://ns.google.com/photos/1.0/image/", PICTURES),
    ("http://ns.google.com/photos/1.0/audio/", _SOUND),
    ("http://ns.google.com/photos/1.0/container/", ""),
    ("http://ns.google.com/photos/dd/1.0/", ""),
)
_ITEM = "http://ns.google.com/photos/1.0/container/item/"
# What an item of a container is, and what to say of it.
_SEMANTICS = {
    "MotionPhoto": VIDEO,
    "GainMap": GAIN_MAP,
    "Depth": DEPTH,
}
_PROPERTIES = ("MotionPhoto", "MicroVideo")
_SEEN = (b"ns.google.com/photos/", b"hdr-gain-map", b"HDRGainMap", b"xap/1.0/")


def is_about_companions(space: str) -> bool:
    """Tell whether a namespace speaks only of what lies next to the photo in its file."""
    return any(space.startswith(known) for known, _ in _SPACES)


def without_companions(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return (the packet without them, one sentence for each that is not carried over)."""
    if not any(seen in xmp for seen in _SEEN):
        return xmp, ()
    packet = Packet(xmp)
    words = [*_of_items(packet)]
    gone = []
    for name in packet.names():
        if (said := _said_of(packet, name)) is not None:
            gone.append(name)
            words.append(said)
    if not gone:
        return xmp, ()
    for name in gone:
        packet.remove(name)
    return packet.to_bytes(), tuple(sorted({word for word in words if word}))


def _said_of(packet: Packet, name: Name) -> str | None:
    """Return the sentence for a property that goes; None if it stays."""
    if name.space == _CAMERA and name.local.startswith(_PROPERTIES):
        # Cameras write a 0 where they could have made a video and have not.
        return VIDEO if name.local in _PROPERTIES and packet.text(name) == "1" else ""
    if name == Name(_XMP, "Thumbnails"):
        return ""
    return next((said for space, said in _SPACES if name.space.startswith(space)), None)


def _of_items(packet: Packet) -> list[str]:
    semantics = packet.values(Name(_ITEM, "Semantic"))
    return [_SEMANTICS[each] for each in semantics if each in _SEMANTICS]
