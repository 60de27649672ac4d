"""Photo files: read with everything that belongs to them, written whole or not at all."""

from __future__ import annotations

from ldrps_client.files._comparison import write_comparison
from ldrps_client.files._folders import check_folder
from ldrps_client.files._formats import result_suffix
from ldrps_client.files._read import LoadedFile, decode, decode_bytes, load_readers
from ldrps_client.files._write import (
    TakenError,
    check_target,
    encode,
    file_bytes,
    fitting_metadata,
    holds_xmp,
)
from ldrps_client.files.colour._to_srgb import to_srgb
from ldrps_client.files.metadata._metadata import Metadata
from ldrps_wire.formats import Format

__all__ = [
    "Format",
    "LoadedFile",
    "Metadata",
    "TakenError",
    "check_folder",
    "check_target",
    "decode",
    "decode_bytes",
    "encode",
    "file_bytes",
    "fitting_metadata",
    "holds_xmp",
    "load_readers",
    "result_suffix",
    "to_srgb",
    "write_comparison",
]
