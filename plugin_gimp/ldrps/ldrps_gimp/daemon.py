"""Daemon, as the plug-in uses it: calls, jobs with their events, and its start."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ldrps_gimp import starting
from ldrps_gimp._contract import PACKAGE
from ldrps_gimp.endpoint import Endpoint, command, next_step
from ldrps_gimp.errors import CancelledError, RestoreError
from ldrps_gimp.grpc_call import Call, RpcError
from ldrps_gimp.http2 import Connection
from ldrps_gimp.i18n import _
from ldrps_gimp.messages import Message, decode, encode
from ldrps_gimp.sentences import refusal_text

CHUNK_BYTES = 1 << 20
_CALL_SECONDS = 10.0
_CANCEL_SECONDS = 2.0
_PROBE_SECONDS = 2.0
_TRIES = 6
# Times that the daemon is started again for one job.
_REVIVALS = 3
_FIRST_PAUSE = 0.1
_TICK_SECONDS = 0.05
_QUEUE_SECONDS = 5.0
_QUEUE_PAUSE = 0.01
_HEALTH = "/grpc.health.v1.Health/Check"
# Serialised HealthCheckResponse{status: SERVING}, the one message outside our contract.
_SERVING = b"\x08\x01"


class Daemon:
    """One daemon. `idle` is called while we wait, and may raise to break off."""

    def __init__(self, endpoint: Endpoint, idle: Callable[[], None] = lambda: None) -> None:
        self.endpoint = endpoint
        self.idle = idle
        self._connection: Connection | None = None
        self._abandoned: list[str] = []

    def close(self) -> None:
        """Close the connection. The daemon goes on, and takes it for a cancel of the jobs that we
        watched."""
        if self._connection:
            self._connection.close()
            self._connection = None

    # Its start.

    def is_serving(self) -> bool:
        """Tell whether it answers and takes jobs."""
        return bool(self.health())

    def health(self) -> bool | None:
        """Tell whether it takes jobs; None where nothing answers."""
        try:
            with self._call(_HEALTH, _PROBE_SECONDS) as call:
                call.send(b"", last=True)
                return call.only() == _SERVING
        except RpcError as error:
            self.close()
            return None if _is_loss(error) or error.code == "DEADLINE_EXCEEDED" else False

    def ensure_running(self) -> None:
        """Start it unless it answers; RestoreError says why that failed, and what to do."""
        health = self.health()
        if not health and not (health is None and starting.answers_late(self)):
            starting.start(self)

    def _way_back(self) -> str:
        """Return what to do about a daemon that went away."""
        return _("Try again; it will be restarted.") if self._can_start() else next_step()

    def _can_start(self) -> bool:
        return not self.endpoint.chosen and command() is not None

    # Jobs.

    def status(self) -> Message:
        """Ask for a StatusResponse."""
        return self._ask("Status", "StatusRequest", {}, "StatusResponse")

    def models(self) -> list[str]:
        """List the names of the installed models that can restore."""
        path = _path("List", "Models")
        with self._errors(), self._call(path, _CALL_SECONDS) as call:
            call.send(encode("ListModelsRequest", {}), last=True)
            listed = decode("ListModelsResponse", call.only())["models"]
        return [m["name"] for m in listed if m["installed"] and m["kind"] == "prior"]

    def submit(self, header: Message, pixels: Callable[[], Iterable[bytes]]) -> str:
        """Hand in a photo; returns the job's id. `pixels` makes its chunks, from the first on."""
        # A daemon that was restarted takes up what it had, and would do that first.
        left, self._abandoned = self._abandoned, []
        for job_id in left:
            self.abandon(job_id)
        header = {"idempotency_key": uuid.uuid4().hex, **header}
        with self._errors():
            try:
                return self._submit_once(header, pixels())
            except RpcError as error:
                if not _is_loss(error) or "ldrps-reason" in error.trailers:
                    raise
                # Safe to repeat: the daemon knows the key if the first try reached it.
                self.close()
                return self._submit_once(header, pixels())

    def _submit_once(self, header: Message, pixels: Iterable[bytes]) -> str:
        with self._call(_path("Submit"), None) as call:
            more = call.send(encode("SubmitRequest", {"header": header}))
            for chunk in pixels:
                if not more:
                    break
                more = call.send(encode("SubmitRequest", {"chunk": chunk}))
                self.idle()
            call.finish_sending()
            return str(decode("SubmitResponse", call.only())["job_id"])

    def watch(self, job_id: str) -> Iterator[Message]:
        """Yield the events of a job to its end; a broken connection is resumed where it broke.

        A daemon that died, and was not stopped, is started again, since it finishes the job.
        Raises the error of a failed job; CancelledError if it was cancelled.
        """
        wanted, failures, again, revivals = 1, 0, True, _REVIVALS if self._can_start() else 0
        while True:
            try:
                for event in self._watch_once(job_id, wanted):
                    wanted, failures = event["number"] + 1, 0
                    # Pixels that were taken cannot be taken twice.
                    again = again and "layer_header" not in event
                    _raise_failure(event)
                    yield event
                    if "done" in event:
                        return
                raise RestoreError("internal", _("The daemon ended the job without a word."))
            except RpcError as error:
                if error.code == "OUT_OF_RANGE" and again and wanted > 1:
                    # The daemon has lost events, since its disk was damaged: all that it knows.
                    wanted, again = 1, False
                    continue
                failures += 1
                if "ldrps-reason" in error.trailers:
                    # Whoever stopped it does not want it back.
                    revivals = 0
                if revivals and failures == _TRIES and _is_loss(error):
                    revivals, failures = revivals - 1, 1
                    self.close()
                    self.ensure_running()
                    continue
                self._give_up_or_wait(error, failures)

    def cancel(self, job_id: str) -> None:
        """Stop a job; one that has ended stays as it is."""
        self._ask("Cancel", "CancelRequest", {"job_id": job_id}, "Job", _CANCEL_SECONDS)

    def abandon(self, job_id: str) -> None:
        """Stop a job that is not wanted any more, now or as soon as the daemon is back."""
        idle, self.idle = self.idle, lambda: None
        try:
            self.cancel(job_id)
        except RestoreError as error:
            if error.reason == "unavailable":
                self._abandoned.append(job_id)
        finally:
            self.idle = idle

    def _watch_once(self, job_id: str, wanted: int) -> Iterator[Message]:
        request = {"job_id": job_id, "from_event": wanted, "previews": True}
        with self._call(_path("Watch"), None) as call:
            call.send(encode("WatchRequest", request), last=True)
            while (data := call.receive()) is not None:
                yield decode("Event", data)

    def _give_up_or_wait(self, error: RpcError, failures: int) -> None:
        self.close()
        lost = _is_loss(error)
        if lost and failures < _TRIES:
            self.sleep(_FIRST_PAUSE * 2**failures)
            return
        if error.code == "NOT_FOUND" and failures > 1:
            raise RestoreError(
                "unavailable", _("The daemon was restarted and lost the job. Please try again.")
            ) from None
        if lost:
            text = _("The daemon went away before the photo was done.")
            raise RestoreError("unavailable", f"{text} {self._way_back()}") from None
        raise self.as_ours(error) from None

    # Calls.

    def _ask(
        self, method: str, kind: str, request: Message, answer: str, seconds: float = _CALL_SECONDS
    ) -> Message:
        with self._errors(), self._call(_path(method), seconds) as call:
            call.send(encode(kind, request), last=True)
            return decode(answer, call.only())

    def _call(self, path: str, seconds: float | None) -> Call:
        connection = self._connection
        if connection is None or connection.lost or connection.going_away:
            self.close()
            try:
                connection = Connection(self._connected(), lambda: self.idle())
            except (OSError, ImportError) as error:
                raise RpcError("UNAVAILABLE", f"nothing listens ({error})") from None
            self._connection = connection
        return Call(connection, path, self.endpoint.metadata(), seconds)

    def _connected(self) -> socket.socket:
        """Open a socket to the daemon, in its turn where many wait at the door."""
        deadline = time.monotonic() + _QUEUE_SECONDS
        while True:
            try:
                return self.endpoint.connect()
            except BlockingIOError:
                # The kernel's queue is full, which it is not for long.
                if time.monotonic() > deadline:
                    raise
            self.sleep(_QUEUE_PAUSE)

    def _errors(self) -> _Translated:
        return _Translated(self.as_ours)

    def as_ours(self, error: RpcError) -> RestoreError:
        """Phrase an error of gRPC for the user."""
        reason = error.trailers.get("ldrps-reason")
        if reason == "cancelled":
            return CancelledError(error.details)
        if reason:
            return RestoreError(reason, refusal_text(error.details))
        if _is_loss(error) or error.code == "DEADLINE_EXCEEDED":
            if self.endpoint.is_listening():
                return RestoreError("unavailable", starting.silence(self.endpoint))
            text = _("No daemon answers on {address}.").format(address=self.endpoint.address)
            return RestoreError("unavailable", f"{text} {next_step()}")
        text = _("The daemon answered {code}: {details}")
        return RestoreError("internal", text.format(code=error.code, details=error.details))

    def sleep(self, seconds: float) -> None:
        """Let time pass, and call `idle` meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.idle()
            time.sleep(min(left, _TICK_SECONDS))


class _Translated:
    """Raises gRPC's errors as ours."""

    def __init__(self, as_ours: Callable[[RpcError], RestoreError]) -> None:
        self._as_ours = as_ours

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, RpcError):
            raise self._as_ours(error) from None


def _is_loss(error: RpcError) -> bool:
    """Tell whether the connection to the daemon failed, so that another call may succeed."""
    if error.code == "CANCELLED":
        # gRPC's word, not ours: a daemon that ends cuts off so what is under way.
        return "ldrps-reason" not in error.trailers
    return error.code == "UNAVAILABLE"


def _path(method: str, service: str = "Restoration") -> str:
    return f"/{PACKAGE}.{service}/{method}"


def _raise_failure(event: Message) -> None:
    if failed := event.get("failed"):
        raise RestoreError(failed["reason"], refusal_text(failed["message"]))
    if (cancelled := event.get("cancelled")) is not None:
        raise CancelledError(cancelled["message"])
