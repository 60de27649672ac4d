"""Selection as a mask of damage: pixels selected by half or more are to be filled."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from ldrps_gimp.errors import RestoreError
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message
from ldrps_gimp.pixels import STRIP_ROWS, selection_over, whole

# Most bytes of packed rows that the contract takes.
_MAX_BYTES = 1 << 19
# Share of a photo that the daemon fills at most.
_MOST = 0.75
# Table from how much a pixel is selected to a binary digit.
_DIGITS = bytes([ord("0")] * 128 + [ord("1")] * 128)


def mask_of(layer: Any, idle: Callable[[], None]) -> Message:
    """Convert the selection over a layer to the daemon's Mask. `idle` is called in between.

    RestoreError if it marks nothing, too much, or is too intricate to be sent.
    """
    area = whole(layer)
    padding = b"0" * (-area.width % 8)
    packer, rows, marked = zlib.compressobj(9), bytearray(), 0
    for strip in area.rows(STRIP_ROWS):
        digits = selection_over(layer, strip).translate(_DIGITS)
        starts = range(0, len(digits), area.width)
        padded = b"".join(digits[start : start + area.width] + padding for start in starts)
        bits = int(padded, 2)
        marked += bits.bit_count()
        rows += packer.compress(bits.to_bytes(len(padded) // 8, "big"))
        idle()
    rows += packer.flush()
    _check(marked / (area.width * area.height), len(rows))
    return {"width": area.width, "height": area.height, "rows": bytes(rows)}


def _check(share: float, size: int) -> None:
    if share == 0:
        text = _("The selection is too faint to mark damage; select what is damaged fully.")
    elif share > _MOST:
        text = _(
            "The selection covers {share} % of the layer, and at most {most} % can be filled from "
            "the rest; select only what is damaged."
        ).format(share=round(100 * share), most=round(100 * _MOST))
    elif size > _MAX_BYTES:
        text = _("The selection has too many single dots; try Select > Grow, then Select > Shrink.")
    else:
        return
    raise RestoreError("photo", text)
