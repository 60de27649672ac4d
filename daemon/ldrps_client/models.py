"""Models of the daemon's machine, from a client's side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldrps.v1 import restoration_pb2 as pb
from ldrps.v1 import restoration_pb2_grpc
from ldrps_client._channel import credentials, translated
from ldrps_client._reaching import persistently
from ldrps_engine.errors import ModelError
from ldrps_engine.model_store.store import is_path, link

# Reading tens of gigabytes from a slow disk takes a while.
_LOAD_SECONDS = 900.0
_CALL_SECONDS = 30.0
# A cluster's nodes remove it too, in processes that have to start.
_REMOVE_SECONDS = 120.0

OnProgress = Callable[[str, int, int], None]
"""Function called with the file, the bytes done, and the bytes in all."""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model, installed or not."""

    name: str
    kind: str
    """Kind: `prior`, `tiny` (goes with a prior) or `describer`."""
    family: str
    title: str
    repository: str
    revision: str
    bytes: int
    """Bytes on disk, or to fetch."""
    memory_bytes: int
    """Bytes of memory on the device, for planning."""
    licence: str
    terms: str
    accept: bool
    """True if the licence has to be accepted on `page` first."""
    page: str
    view: int
    installed: bool
    devices: tuple[str, ...]
    """Devices in whose memory it is."""


class ModelManager:
    """Operations on models, as `Client.models`. Errors are those of `ldrps_engine.errors`."""

    def __init__(self, channel: Any, address: str, ensure: Callable[[], None]) -> None:
        make: Any = restoration_pb2_grpc.ModelsStub  # generated code has no types
        self._stub = make(channel)
        self._address = address
        self._ensure = ensure

    def list(self) -> list[ModelInfo]:
        """Return the catalogue, then models of your own."""
        answer = self._call(self._stub.List, pb.ListModelsRequest(), _CALL_SECONDS)
        return [_info(message) for message in answer.models]

    def show(self, name: str) -> ModelInfo:
        """Return one of them; ModelError if there is none of that name."""
        for found in self.list():
            if found.name == name:
                return found
        raise ModelError(f"model '{name}' is not known; see 'ldrps models list'")

    def pull(self, name: str, on_progress: OnProgress = lambda *_: None) -> None:
        """Fetch a model from the hub; leaving (Ctrl-C) stops it, another pull goes on."""
        self._follow(self._stub.Pull, name, on_progress)

    def verify(self, name: str, on_progress: OnProgress = lambda *_: None) -> None:
        """Read a model's files again; ModelError names the first that is wrong."""
        self._follow(self._stub.Verify, name, on_progress)

    def remove(self, name: str) -> int:
        """Delete a model, or forget one of your own; returns the bytes that were freed."""
        return int(self._call(self._stub.Remove, _asked(name), _REMOVE_SECONDS).done_bytes)

    def load(self, name: str) -> None:
        """Bring a model into memory before it is needed."""
        self._call(self._stub.Load, _asked(reference(name)), _LOAD_SECONDS)

    def unload(self, name: str) -> None:
        """Free a model's memory."""
        self._call(self._stub.Unload, _asked(reference(name)), _CALL_SECONDS)

    def _call(self, method: Any, request: Any, seconds: float) -> Any:
        self._ensure()

        def call(left: float) -> Any:
            return method(request, timeout=left, metadata=credentials(self._address))

        with translated(self._address):
            return persistently(call, self._address, seconds)

    def _follow(self, method: Any, name: str, on_progress: OnProgress) -> None:
        for progress in self._progress(method, name):
            on_progress(progress.file, progress.done_bytes, progress.total_bytes)

    def _progress(self, method: Any, name: str) -> Iterator[pb.ModelProgress]:
        self._ensure()
        stream = method(_asked(name), metadata=credentials(self._address))
        try:
            with translated(self._address):
                yield from stream
        finally:
            stream.cancel()


def reference(model: str) -> str:
    """Return a model's name as it may travel: a path on this machine is linked to a name first."""
    return link(Path(os.path.expanduser(model))) if is_path(model) else model


def _asked(name: str) -> pb.ModelRequest:
    return pb.ModelRequest(name=name)


def _info(message: pb.Model) -> ModelInfo:
    values = {field: getattr(message, field) for field in ModelInfo.__dataclass_fields__}
    return ModelInfo(**values | {"devices": tuple(message.devices)})
