"""A process that encodes one layer as a file and ends, locked in as the decoder is.

It reads the photo's own file again for what belongs to the result: metadata, compression. So what
strangers made is handled where no harm can be done, and never reaches the worker.

Standard input is what `writing.py` wrote: a length and JSON that says how the layer was made, a
length and a pb.Raster, and the samples. Standard output takes an `F` and the file, or an `E` and
JSON with reason and message.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import Result
from ldrps_client.files import Format, LoadedFile, decode
from ldrps_daemon.workers.confined import FILE, LENGTH, STDIN, lock_in, refusing
from ldrps_daemon.workers.process import leave_with
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.photo import Photo
from ldrps_engine.result import Layer
from ldrps_engine.settings import Settings
from ldrps_wire.conversion import photo_from_wire

# CPU seconds, ample for 100 megapixels in any of the formats; decoding is quicker.
_CPU_SECONDS = 900


def main() -> None:
    """Encode what standard input describes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-pixels", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--result", type=Format.__getitem__, required=True)
    parser.add_argument("--source", type=Path, help="the photo's own file")
    given = parser.parse_args()
    leave_with(given.parent)
    source: Path | None = given.source
    request, out = os.fdopen(0, "rb", closefd=False), os.fdopen(1, "wb", closefd=False)
    with request, out, refusing(out, source or STDIN):
        lock_in(given.max_pixels, _CPU_SECONDS, [source] if source else [])
        how, photo = _read(request)
        result = result_of(how, photo, decode(source) if source else None)
        out.write(FILE + result.to_bytes(given.result))


def _read(request: BinaryIO) -> tuple[dict[str, Any], Photo]:
    how: dict[str, Any] = json.loads(_part(request))
    raster = pb.Raster.FromString(_part(request))
    return how, photo_from_wire(raster, request.read())


def _part(request: BinaryIO) -> bytes:
    (length,) = LENGTH.unpack(request.read(LENGTH.size))
    return request.read(length)


def result_of(how: Mapping[str, Any], photo: Photo, source: LoadedFile | None) -> Result:
    """Build the client library's result from one layer."""
    # JSON knows no tuples, and settings no lists.
    request: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in how["request"].items()
    }
    return Result(
        layers=(Layer(how["layer"], photo),),
        settings=Settings(**request),
        diagnosis=Diagnosis.from_dict(how["measured"]),
        words=how["words"],
        description=how["description"],
        seconds=how["seconds"],
        model=how["model"],
        seed=how["seed"],
        job_id="",
        model_hash=how["model_hash"],
        generated=tuple(how["generated"]),
        source=source,
    )


if __name__ == "__main__":
    main()
