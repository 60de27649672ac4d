"""Photo files: read with all that belongs to them, written whole or not at all."""

from __future__ import annotations

from ldrps_client.files._colour import to_srgb
from ldrps_client.files._comparison import write_comparison
from ldrps_client.files._folders import check_folder
from ldrps_client.files._formats import Format, result_suffix
from ldrps_client.files._metadata import Metadata
from ldrps_client.files._read import LoadedFile, decode, decode_bytes
from ldrps_client.files._write import (
    check_target,
    encode,
    file_bytes,
    fitting_metadata,
    holds_xmp,
)

__all__ = [
    "Format",
    "LoadedFile",
    "Metadata",
    "check_folder",
    "check_target",
    "decode",
    "decode_bytes",
    "encode",
    "file_bytes",
    "fitting_metadata",
    "holds_xmp",
    "result_suffix",
    "to_srgb",
    "write_comparison",
]
