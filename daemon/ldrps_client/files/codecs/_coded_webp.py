"""The picture of a WebP as it is coded, to be written again under other metadata.

Source of the layout: RFC 9649, 2.3 to 2.7. As for a JPEG (`_coded_jpeg`), a picture that nothing
has changed is thereby kept to the bit.
"""

from __future__ import annotations

_HEAD = 12
_PICTURE = (b"VP8 ", b"VP8L")
_ALPHA = b"ALPH"
_EXTENDED = b"VP8X"
_BEHIND = (b"EXIF", b"XMP ")
_METADATA = (b"ICCP", *_BEHIND)
_ALPHA_FLAG = 0x10
_METADATA_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}


def coded_picture(data: bytes) -> bytes:
    """Return the chunks of a still WebP's picture as they lie in the file.

    Empty if the file is not one chunk behind the other to its end, or holds anything else than
    one picture and metadata: decoders tolerate more than can safely be carried over.
    """
    chunks = _chunks(data)
    names = [name for name, _ in chunks]
    is_known = {*names} <= {*_PICTURE, _ALPHA, _EXTENDED, *_METADATA}
    if not is_known or sum(name in _PICTURE for name in names) != 1:
        return b""
    return b"".join(whole for name, whole in chunks if name in (*_PICTURE, _ALPHA))


def with_metadata_of(picture: bytes, other: bytes, size: tuple[int, int], *, alpha: bool) -> bytes:
    """Return a WebP of a `coded_picture` and the metadata of one that was just made.

    `size` is width and height; `alpha`: decoders show that of the picture.
    """
    carried = {name: whole for name, whole in _chunks(other) if name in _METADATA}
    head = b""
    if carried or picture.startswith(_ALPHA):
        flags = sum(_METADATA_FLAGS[name] for name in carried)
        flags |= _ALPHA_FLAG if alpha else 0
        width, height = ((side - 1).to_bytes(3, "little") for side in size)
        body = bytes((flags, 0, 0, 0)) + width + height
        head = _EXTENDED + len(body).to_bytes(4, "little") + body
    profile, behind = carried.get(b"ICCP", b""), [carried.get(name, b"") for name in _BEHIND]
    body = b"".join((b"WEBP", head, profile, picture, *behind))
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """List name and all bytes of each chunk; empty if they do not fill the file to its end."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] != b"RIFF" or data[8:_HEAD] != b"WEBP" or end > len(data):
        return []
    chunks, at = [], _HEAD
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        # A chunk of odd size is padded, but some programs leave that out at the end.
        behind = min(at + 8 + size + size % 2, end)
        if behind < at + 8 + size:
            return []
        chunks.append(
            (data[at : at + 4], data[at:behind] + b"\0" * (at + 8 + size + size % 2 - behind))
        )
        at = behind
    return chunks if at == end else []
