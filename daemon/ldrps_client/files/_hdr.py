"""Photos for displays brighter than paper, PQ and HLG, told from the header (ITU-T H.273).

A display's white would be somewhere below theirs, and nothing here says where.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from ldrps_client.files._formats import Format
from ldrps_engine.errors import PhotoError

_NAMES = {16: "PQ", 18: "HLG"}
_HEAD = 4096
_MOST_CHUNKS = 64


def refuse_hdr(transfer: int | None) -> None:
    """PhotoError if H.273's number of the transfer characteristics is one of HDR."""
    if transfer in _NAMES:
        raise PhotoError(f"it is in HDR ({_NAMES[transfer]}); export it as SDR")


def transfer_of(file: BinaryIO, kind: Format) -> int | None:
    """The transfer characteristics that the file states by their number; None if it does not."""
    where = file.tell()
    file.seek(0)
    try:
        if kind is Format.PNG:
            return _of_png(file)
        return _of_avif(file.read(_HEAD)) if kind is Format.AVIF else None
    finally:
        file.seek(where)


def _of_avif(head: bytes) -> int | None:
    """`colr` of the type `nclx`: primaries, transfer, matrix (ISO 14496-12, 12.1.5)."""
    _, _, numbers = head.partition(b"colrnclx")
    return int.from_bytes(numbers[2:4], "big") if len(numbers) >= 4 else None


def _of_png(file: BinaryIO) -> int | None:
    """The chunk `cICP`, which stands before the pixels (PNG, third edition, 11.3.2.6)."""
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        size, name = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"IDAT")
        if name == b"IDAT":
            return None
        if name == b"cICP":
            data = file.read(size if size == 4 else 0)
            return data[1] if len(data) == 4 else None
        file.seek(size + 4, 1)
    return None
