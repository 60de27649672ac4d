"""Spooled payloads back to photos, in the worker: the front never decodes anything."""

from __future__ import annotations

import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client._wire import photo_from_wire
from ldrps_daemon.pipe import Order
from ldrps_engine.errors import InputError, LimitError
from ldrps_engine.photo import Photo


def read_photo(order: Order, header: pb.SubmitHeader) -> Photo:
    """The photo of an order, from raw pixels or from a file's bytes."""
    if header.HasField("file"):
        return _decode(order)
    # Mapped, so that the raw samples take no memory beside the photo's own.
    pixels = np.memmap(order.folder.pixels, dtype=np.uint8, mode="r")
    return photo_from_wire(header.raster, pixels.data)


def _decode(order: Order) -> Photo:
    # The image libraries are only needed for clients that send whole files.
    from ldrps_client.files import decode

    try:
        photo = decode(order.folder.pixels).photo
    except InputError as error:
        # The client knows nothing of our spool.
        raise type(error)(str(error).replace(str(order.folder.pixels), "the file")) from None
    if photo.width * photo.height > order.max_pixels:
        raise LimitError(
            f"the photo is {photo.width}x{photo.height}; "
            f"this daemon takes at most {order.max_pixels} pixels"
        )
    return photo
