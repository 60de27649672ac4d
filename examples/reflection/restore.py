"""Restore a photo with nothing but grpcio: `python restore.py IN OUT.png`.

The contract is asked of the daemon itself, by server reflection, so that no copy of it and no
generated code is needed. Any language with reflection can do the same.
Needs grpcio, grpcio-reflection and a daemon that runs (`ldrps serve`) on a unix socket, the user's
own or the one that LDRPS_ADDRESS names; TCP would need TLS and the token as well.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

CHUNK_BYTES = 1 << 20
FORMATS = {".png": 1, ".jpg": 2, ".jpeg": 2, ".tif": 3, ".tiff": 3, ".webp": 4}
SERVICE = "ldrps.v1.Restoration"


class Daemon:
    """Calls of the contract, by the names that reflection tells."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        database = ProtoReflectionDescriptorDatabase(self._channel)
        pool = descriptor_pool.DescriptorPool(database)
        self._methods = pool.FindServiceByName(SERVICE).methods_by_name

    def request(self, method: str) -> Any:
        """Class of the message that a method takes."""
        return message_factory.GetMessageClass(self._methods[method].input_type)

    def call(self, method: str, request: Any) -> Any:
        """One answer, or an iterator of them."""
        described = self._methods[method]
        kind = f"{'stream' if described.client_streaming else 'unary'}_"
        kind += "stream" if described.server_streaming else "unary"
        answer = message_factory.GetMessageClass(described.output_type)
        make = getattr(self._channel, kind)(
            f"/{SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return make(request)


def submission(daemon: Daemon, photo: bytes, result_format: int) -> Iterator[Any]:
    """Yield what Submit takes: the header, then the file in chunks."""
    request = daemon.request("Submit")
    header = {
        "file": {"size": len(photo)},
        "result_format": result_format,
        "idempotency_key": uuid.uuid4().hex,
    }
    yield request(header=header)
    for start in range(0, len(photo), CHUNK_BYTES):
        yield request(chunk=photo[start : start + CHUNK_BYTES])


def restore(daemon: Daemon, photo: bytes, result_format: int) -> bytes:
    """Restore a file's bytes; the process ends with a sentence if that fails."""
    job_id = daemon.call("Submit", submission(daemon, photo, result_format)).job_id
    restored = bytearray()
    for event in daemon.call("Watch", daemon.request("Watch")(job_id=job_id)):
        kind = event.WhichOneof("kind")
        if kind == "layer_chunk":
            restored += event.layer_chunk.data
        elif kind in ("failed", "cancelled"):
            sys.exit(f"restore.py: {getattr(event, kind).message}")
    return bytes(restored)


def main() -> None:
    """Restore one file into another."""
    if len(sys.argv) != 3 or Path(sys.argv[2]).suffix.lower() not in FORMATS:
        sys.exit("usage: restore.py IN OUT, with OUT a .png, .jpg, .tif or .webp")
    source, target = map(Path, sys.argv[1:])
    address = os.environ.get("LDRPS_ADDRESS") or f"unix:{_run_folder() / 'ldrps.sock'}"
    if not address.startswith("unix:"):
        sys.exit(f"restore.py: LDRPS_ADDRESS is {address}; this example takes unix:PATH alone")
    try:
        daemon = Daemon(address)
        data = restore(daemon, source.read_bytes(), FORMATS[target.suffix.lower()])
        with target.open("xb") as file:  # never over a file that is there
            file.write(data)
    except grpc.RpcError as error:
        sys.exit(f"restore.py: {error.details()}")
    except OSError as error:
        sys.exit(f"restore.py: {error.filename}: {error.strerror}")


def _run_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "ldrps" if runtime else Path.home() / ".cache" / "ldrps" / "run"


if __name__ == "__main__":
    main()
