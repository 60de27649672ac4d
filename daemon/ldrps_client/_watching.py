"""Pursuit of a job over connections that break: every event once, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np

from ldrps.v1 import restoration_pb2 as pb
from ldrps_client import events
from ldrps_client._channel import (
    credentials,
    error_from_rpc,
    has_reason,
    is_connection_loss,
    is_cut_off,
)
from ldrps_client._listening import is_listening
from ldrps_engine.analysis.diagnosis import Diagnosis
from ldrps_engine.analysis.rectangle import Rectangle
from ldrps_engine.errors import (
    CancelledError,
    InternalError,
    LdrpsError,
    NotFoundError,
    UnavailableError,
)
from ldrps_engine.result import Layer
from ldrps_wire.conversion import amounts_from_proto, layer_bytes, photo_from_wire
from ldrps_wire.status import error_of

TRIES = 6
"""Connections in a row that may fail before we give up."""
REVIVALS = 3
"""Times that a daemon is started again for one job."""
_FIRST_PAUSE = 0.1
_CROWD_SECONDS = 30.0


class LostDaemonError(UnavailableError):
    """The daemon went away under a job, which the message names."""


def messages(
    stub: Any,
    address: str,
    request: pb.WatchRequest,
    revive: Callable[[], None] | None = None,
) -> Iterator[pb.Event | events.Restarted]:
    """Yield the events of a job until it has ended; reconnects at the last number when cut off.

    A daemon that has lost events, since its disk was damaged, does not know that number. It is
    asked once for all that it knows, so that no result is lost: then events come twice.

    `revive` starts a daemon again where one went away without being stopped, since the job that it
    had goes on once it is back; it raises UnavailableError where it cannot. An event says
    that it did.
    """
    next_event = first = max(1, request.from_event)
    renumbered, losses = False, _Losses(address, request.job_id, revive)
    while True:
        request.from_event = next_event
        stream = stub.Watch(request, metadata=credentials(address))
        try:
            for event in stream:
                next_event = event.number + 1
                losses.forget()
                yield event
                if event.WhichOneof("kind") in ("done", "failed", "cancelled"):
                    return
            raise InternalError("the daemon ended the events before the job; please report this")
        except grpc.RpcError as error:
            if next_event > first and not renumbered and _is_past_the_end(error):
                next_event, renumbered = 1, True
                continue
            if losses.wait_or_raise(error):
                yield events.Restarted()
        finally:
            stream.cancel()


def _is_past_the_end(error: Any) -> bool:
    return bool(error.code() is grpc.StatusCode.OUT_OF_RANGE)


class _Losses:
    """Connections to one job that failed in a row, and the patience that is left."""

    def __init__(self, address: str, job_id: str, revive: Callable[[], None] | None) -> None:
        self._address = address
        self._job_id = job_id
        self._revive = revive
        self._revivals = REVIVALS
        self._failures = 0
        self._since = 0.0

    def forget(self) -> None:
        """Reset the count of failures, now that an event came."""
        self._failures = 0

    def wait_or_raise(self, error: Any) -> bool:
        """Back off before reconnecting, or raise the error to report.

        True if the daemon was started again.
        """
        self._failures += 1
        self._since = time.monotonic() if self._failures == 1 else self._since
        if not is_connection_loss(error):
            raise self._known(error) from None
        if has_reason(error):
            # The user who stopped it does not want it back.
            self._revive = None
        if self._failures < TRIES or self._is_crowded(error):
            # Doubled each time, so that a daemon that is just starting is not stormed by its old
            # clients.
            time.sleep(_FIRST_PAUSE * 2 ** min(self._failures, TRIES - 1))
            return False
        if self._revive and self._revivals:
            self._revivals -= 1
            self._revive()
            self._failures = 1
            return True
        raise LostDaemonError(
            f"the daemon on {self._address} went away before the job was done and is not back; "
            "start it with 'ldrps serve' and hand the photo in again, since job "
            f"{self._job_id} goes on without you only if it was handed in detached"
        ) from None

    def _known(self, error: Any) -> LdrpsError:
        known = error_from_rpc(error, self._address)
        if isinstance(known, NotFoundError) and self._failures > 1:
            return UnavailableError(
                "the daemon that answers now does not know the job; hand the photo in again"
            )
        return known

    def _is_crowded(self, error: Any) -> bool:
        """Tell whether a daemon can still be reached, and time is left for it."""
        in_time = time.monotonic() - self._since < _CROWD_SECONDS
        return in_time and is_cut_off(error) and is_listening(self._address)


class Reader:
    """Converter of messages into events; layers come out once, when they are complete."""

    def __init__(self) -> None:
        self._headers: dict[int, pb.LayerHeader] = {}
        self._data: dict[int, bytearray] = {}
        self._complete: set[int] = set()

    def read(self, message: pb.Event | events.Restarted) -> events.Event | None:
        """Return the event of a message; None where there is none (yet). Failures are raised."""
        if isinstance(message, events.Restarted):
            return message
        kind = message.WhichOneof("kind")
        if kind == "layer_header":
            self._begin(message.layer_header)
            return None
        if kind == "layer_chunk":
            return self._add(message.layer_chunk)
        return _simple_event(kind, message)

    def _begin(self, header: pb.LayerHeader) -> None:
        # Events may come twice, see `messages`; the first layer counts.
        if header.layer in self._complete:
            return
        self._headers[header.layer] = header
        self._data[header.layer] = bytearray()

    def _add(self, chunk: pb.LayerChunk) -> Layer | events.EncodedLayer | None:
        header = self._headers.get(chunk.layer)
        if chunk.layer in self._complete:
            return None
        if header is None:
            raise InternalError("pixels came without a header; watch from an earlier event")
        data = self._data[chunk.layer]
        data += chunk.data
        if len(data) < layer_bytes(header):
            return None
        del self._headers[chunk.layer], self._data[chunk.layer]
        self._complete.add(chunk.layer)
        if header.HasField("file"):
            kind = pb.FileFormat.Name(header.file.format).removeprefix("FILE_FORMAT_")
            return events.EncodedLayer(header.name, kind, bytes(data))
        return Layer(header.name, photo_from_wire(header.raster, data))


def _simple_event(kind: str | None, message: pb.Event) -> events.Event | None:
    if kind == "failed":
        raise error_of(message.failed.reason, message.failed.message)
    if kind == "cancelled":
        raise CancelledError(message.cancelled.message or "the job was cancelled")
    read = _READERS.get(kind or "")
    # Kinds added to the contract later are not for this client.
    return read(getattr(message, kind or "")) if read else None


def _diagnosed(message: pb.Diagnosis) -> events.Diagnosed:
    diagnosis = Diagnosis(
        noise_sigma=message.noise_sigma,
        haze=message.haze,
        darkness=message.darkness,
        cast=message.cast,
        grey=message.grey,
        graphic=message.graphic,
        toned=message.toned,
        probabilities={each.finding: each.probability for each in message.probabilities},
        inner=_rectangle(message.inner) if message.HasField("inner") else None,
        hot_pixels=message.hot_pixels,
        blocks=message.blocks,
        damage=message.damage,
        damage_kinds=tuple(message.damage_kinds),
        amounts=amounts_from_proto(message.amounts),
    )
    return events.Diagnosed(diagnosis, message.words)


def _rectangle(of: pb.Rectangle) -> Rectangle:
    return Rectangle(of.left, of.top, of.width, of.height)


def _preview(message: pb.Preview) -> events.Preview:
    shape = (message.raster.height, message.raster.width, 3)
    return events.Preview(np.frombuffer(message.pixels, np.uint8).reshape(shape))


def _done(message: pb.Done) -> events.Done:
    has_share = message.HasField("generated")
    return events.Done(
        seconds=message.seconds,
        model=message.model,
        seed=message.seed,
        model_hash=message.model_hash,
        generated=(message.generated.mean, message.generated.maximum) if has_share else None,
    )


_READERS: dict[str, Any] = {
    "queued": lambda m: events.Queued(m.position, m.estimated_seconds, m.why),
    "loading": lambda m: events.Loading(m.model, m.fraction),
    "diagnosis": _diagnosed,
    "description": lambda m: events.Described(m.text, m.source, tuple(m.remarks)),
    "step": lambda m: events.Step(m.stage, m.index, m.count, m.seconds_left),
    "preview": _preview,
    "done": _done,
}
