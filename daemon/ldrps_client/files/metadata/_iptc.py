"""IPTC-IIM records (IIM 4.2): found in their containers, packed into them, put into XMP.

JPEG keeps them in a Photoshop segment, TIFF in a tag, PNG as text in hexadecimal digits. WebP
and AVIF have no place for them; there they become the XMP properties that IPTC's photo metadata
standard (2023.1) maps them to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ldrps_client.files.metadata._packet import RDF, Addition, Packet, Prefixes

PNG_KEYWORD = "Raw profile type iptc"
JPEG_RESOURCE = 0x0404
_RESOURCE = b"8BIM" + JPEG_RESOURCE.to_bytes(2, "big")
_APP13 = b"Photoshop 3.0\0"
_SEGMENT = 65_533
_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"
_MARKER = 0x1C

_PREFIXES = Prefixes(
    rdf=RDF,
    dc="http://purl.org/dc/elements/1.1/",
    photoshop="http://ns.adobe.com/photoshop/1.0/",
    Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
)
_PROPERTIES = {
    5: ("translated", "dc:title"),
    15: ("text", "photoshop:Category"),
    20: ("bag", "photoshop:SupplementalCategories"),
    25: ("bag", "dc:subject"),
    40: ("text", "photoshop:Instructions"),
    80: ("ordered", "dc:creator"),
    85: ("text", "photoshop:AuthorsPosition"),
    90: ("text", "photoshop:City"),
    92: ("text", "Iptc4xmpCore:Location"),
    95: ("text", "photoshop:State"),
    100: ("text", "Iptc4xmpCore:CountryCode"),
    101: ("text", "photoshop:Country"),
    103: ("text", "photoshop:TransmissionReference"),
    105: ("text", "photoshop:Headline"),
    110: ("text", "photoshop:Credit"),
    115: ("text", "photoshop:Source"),
    116: ("translated", "dc:rights"),
    120: ("translated", "dc:description"),
    122: ("text", "photoshop:CaptionWriter"),
}
_DATE, _TIME = 55, 60


def jpeg_segment(iptc: bytes) -> bytes:
    """Return an APP13 segment of the records; empty if there are none or too many."""
    body = _APP13 + _resource(iptc)
    if not iptc or len(body) > _SEGMENT:
        return b""
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def png_text(iptc: bytes) -> str:
    """Return Photoshop's resource in hexadecimal digits, as ImageMagick and exiftool write it."""
    digits = _resource(iptc).hex()
    lines = (digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\niptc\n{len(digits) // 2:8d}\n" + "\n".join(lines) + "\n"


def raw_profile(text: str) -> bytes:
    """Decode a PNG's `Raw profile type`: a name, a length, and hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.strip().splitlines()[2:]))
    except ValueError:
        return b""


def unwrapped(data: bytes) -> bytes:
    """Return the records, out of Photoshop's resource if they are in one."""
    at = data.find(_RESOURCE)
    if at < 0 or not data.startswith(b"8BIM"):
        return data
    # A name of no letters, and the length.
    start = at + len(_RESOURCE) + 6
    (size,) = struct.unpack(">I", data[start - 4 : start].rjust(4, b"\0"))
    return data[start : start + size]


def _resource(iptc: bytes) -> bytes:
    return _RESOURCE + struct.pack(">HI", 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def into_xmp(xmp: bytes, iptc: bytes) -> bytes:
    """Add the records to a packet as properties; existing ones stay."""
    found = _records(iptc)
    packet = Packet(xmp)
    said = packet.names()
    added = packet.add(_PREFIXES)
    for number, values in found.items():
        _, qualified = _PROPERTIES.get(number, ("", ""))
        if qualified and _PREFIXES.name(qualified) not in said:
            _add(added, number, values)
    if _DATE in found and _PREFIXES.name("photoshop:DateCreated") not in said:
        time = found.get(_TIME, [""])[0]
        added.text("photoshop:DateCreated", _date(found[_DATE][0], time))
    return packet.to_bytes()


def _add(added: Addition, number: int, values: list[str]) -> None:
    form, qualified = _PROPERTIES[number]
    if form == "bag":
        added.bag(qualified, values)
    elif form == "ordered":
        added.ordered(qualified, values)
    elif form == "translated":
        added.translated(qualified, values[0])
    else:
        added.text(qualified, values[0])


def _date(day: str, time: str) -> str:
    """Convert IIM's 20200102 and 030405+0200 to ISO 8601."""
    text = f"{day[:4]}-{day[4:6]}-{day[6:8]}"
    if len(time) >= 6:
        text += f"T{time[:2]}:{time[2:4]}:{time[4:6]}"
        text += f"{time[6:9]}:{time[9:11]}" if len(time) >= 11 else ""
    return text


def _records(iptc: bytes) -> dict[int, list[str]]:
    """Return the texts of the application record, by number."""
    raw = list(_split(iptc))
    utf8 = any((r, n) == _CHARACTER_SET and data == _UTF8 for r, n, data in raw)
    found: dict[int, list[str]] = {}
    for record, number, data in raw:
        if record == 2:
            found.setdefault(number, []).append(_decoded(data, utf8=utf8))
    return found


def _decoded(data: bytes, *, utf8: bool) -> str:
    # Many write UTF-8 without saying so; the other common one is Latin-1.
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8" if utf8 else "latin-1", "replace")


def _split(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == _MARKER:
        record, number, size = struct.unpack_from(">BBH", iptc, at + 1)
        if size & 0x8000:
            # Longer than any text: an object, with which we have nothing to do.
            return
        yield record, number, iptc[at + 5 : at + 5 + size]
        at += 5 + size
