"""Photos for displays brighter than paper, PQ and HLG (ITU-T H.273).

A display's white would be somewhere below theirs, and nothing here says where.
"""

from __future__ import annotations

from ldrps_engine.errors import PhotoError

_NAMES = {16: "PQ", 18: "HLG"}


def refuse_hdr(transfer: int | None) -> None:
    """Raise PhotoError if H.273's number of the transfer characteristics is one of HDR."""
    if transfer in _NAMES:
        raise PhotoError(f"it is in HDR ({_NAMES[transfer]}); export it as SDR")
