"""The picture of a JPEG as it is coded, to be written again under other metadata.

A picture that nothing has changed is thereby kept to the bit, where coding it again would cost it
a little each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_START, _END, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDD}
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_JFIF, _ADOBE = 0xE0, 0xEE
_OWN_NAMES = {_JFIF: b"JFIF\0", _ADOBE: b"Adobe"}
_FILL = 0xFF
# Within a scan zeros behind 0xFF are stuffing, and restarts belong to it.
_BEHIND_SCAN = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")


class _Segment(NamedTuple):
    """One marker of a JPEG, with the scan behind it, as it lies in the file."""

    marker: int
    content: bytes
    """Bytes behind marker and length; empty at the end."""
    whole: bytes
    """All of its bytes, from the first 0xFF on."""

    @property
    def names_channels(self) -> bool:
        """Tell whether it says how channels are meant (ITU-T T.871, 6.4.1 and T.872, 6.5.3)."""
        own = _OWN_NAMES.get(self.marker)
        return own is not None and self.content.startswith(own)


class _UnsoundError(ValueError):
    """The file is not one segment behind the other, as ITU-T T.81, B.1.1 has it."""


def coded_picture(data: bytes) -> bytes:
    """Return the picture of a JPEG as it is coded: a JPEG without metadata.

    What tells decoders how its channels are meant is kept. Empty if the file is not sound all the
    way to its end: decoders tolerate more than can safely be carried over.
    """
    try:
        segments = list(_segments(data))
    except _UnsoundError:
        return b""
    markers = [segment.marker for segment in segments]
    if markers[-1] != _END or sum(marker in _FRAMES for marker in markers) != 1:
        return b""
    kept = [each.whole for each in segments if each.marker not in _METADATA or each.names_channels]
    return b"".join((data[:2], *kept))


def with_metadata_of(picture: bytes, other: bytes) -> bytes:
    """Return a JPEG of a `coded_picture` and the metadata of another JPEG that was just made.

    JFIF's segment, which has to come first, has the other's resolution, if the picture has one.
    """
    mine = list(_segments(picture))
    theirs = [each for each in _segments(other) if each.marker in _METADATA]
    jfif = [each.whole for each in theirs if each.marker == _JFIF and each.names_channels]
    has_jfif = any(each.marker == _JFIF for each in mine)
    return b"".join(
        (
            picture[:2],
            *(jfif if has_jfif else ()),
            *(each.whole for each in theirs if not each.names_channels),
            *(each.whole for each in mine if each.marker != _JFIF),
        )
    )


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield all segments of a JPEG up to its end; _UnsoundError where something else lies."""
    if data[:2] != bytes([_FILL, _START]):
        raise _UnsoundError
    at = 2
    while True:
        start = at
        while at < len(data) and data[at] == _FILL:
            at += 1
        if at == start or at >= len(data):
            raise _UnsoundError
        marker = data[at]
        at += 1
        if marker == _END:
            yield _Segment(marker, b"", data[start:at])
            return
        if marker not in _FRAMES | _TABLES | _METADATA | {_START_OF_SCAN}:
            raise _UnsoundError
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            raise _UnsoundError
        content, at = data[at + 2 : end], end
        if marker == _START_OF_SCAN:
            behind = _BEHIND_SCAN.search(data, at)
            if behind is None:
                raise _UnsoundError
            at = behind.start()
        yield _Segment(marker, content, data[start:at])
