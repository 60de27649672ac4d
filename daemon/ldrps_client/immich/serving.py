"""Receiver of Immich's webhooks: assets are written down at once, and restored in turn."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ldrps_client._text import cause, cause_and_remedy, shown
from ldrps_client._until_signal import SignalledServer
from ldrps_client.hotfolder.work._retry import (
    MAX_TRIES,
    Backoff,
    RetryDecision,
    unforeseen,
)
from ldrps_client.immich._api import FaultError
from ldrps_client.immich._restoring import Outcome, Restorer, StoppedError, reaction_to
from ldrps_client.immich._state import ImmichState
from ldrps_engine.errors import LdrpsError, OutputError, SettingsError
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_engine.settings import Settings
from ldrps_wire.system import HAS_OWNERS

__all__ = ["HEADER", "Listening", "private_text", "secret_in", "serve"]

HEADER = "X-LDRPS-Secret"
"""Header in which a webhook shows the secret."""
_MOST_BODY = 4_000_000
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IDLE_SECONDS = 5.0

OnEvent = Callable[[str, str], None]
"""Callback with what happened, and to which asset."""


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Address and secret for webhooks."""

    host: str
    port: int
    secret: str


def secret_in(path: Path) -> str:
    """Return the secret in a file, made if there is none; SettingsError if others may read it."""
    try:
        if not path.exists():
            # Whole or not at all: an empty one would keep every later start from working.
            made = f"{secrets.token_urlsafe(24)}\n".encode()
            with suppress(FileExistsError):
                write_atomically(path, made, force=False, mode=0o600)
    except OSError as error:
        why = cause_and_remedy(error)
        raise OutputError(f"{path} with the secret cannot be written: {why}") from None
    return private_text(path, "secret")


def private_text(path: Path, what: str) -> str:
    """Read a word from a file that only its user may read; SettingsError if others may."""
    try:
        text = path.read_text("utf-8").strip()
        is_open = HAS_OWNERS and path.stat().st_mode & 0o077
    except UnicodeDecodeError:
        raise SettingsError(f"{path} with the {what} is not text; write it there again") from None
    except OSError as error:
        why = cause_and_remedy(error)
        raise SettingsError(f"{path} with the {what} cannot be read: {why}") from None
    if is_open:
        raise SettingsError(f"{path} with the {what} may be read by others; run chmod 600 {path}")
    if not text or len(text.split()) != 1 or not text.isascii():
        raise SettingsError(f"{path} holds no {what}; write it there, and nothing else")
    return text


class Receiver:
    """Answers to webhooks."""

    def __init__(
        self, state: ImmichState, settings: Settings, secret: str, queued: threading.Event
    ) -> None:
        self._state, self._settings, self._secret = state, settings, secret
        self._queued = queued

    async def receive(self, request: Request) -> Response:
        """Write down the asset that a webhook names."""
        shown_secret = request.headers.get(HEADER, "")
        # In constant time: how long an answer takes tells nothing of the secret.
        if not hmac.compare_digest(shown_secret.encode(), self._secret.encode()):
            return _said(401, f"the header {HEADER} does not hold the secret")
        # In pieces, as a declared length may lie.
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                return _said(413, "this is no event of Immich")
        asset = asset_in(body)
        if asset is None:
            return _said(422, "there is no asset in this event; choose a trigger that has one")
        try:
            self._state.add(asset, self._settings)
        except OutputError as error:
            return _said(507, shown(str(error)))
        self._queued.set()
        return _said(202, "queued")


def _said(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status)


def asset_in(body: bytes) -> str | None:
    """Return the id of the asset that an event names: `{"data": {"asset": {"id": ...}}}`."""
    try:
        key = json.loads(body)["data"]["asset"]["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key.lower() if isinstance(key, str) and _ID.fullmatch(key) else None


class Queue:
    """Work on the recorded assets, until it is stopped."""

    def __init__(
        self,
        state: ImmichState,
        restorer: Restorer,
        stop: threading.Event,
        queued: threading.Event,
        on_event: OnEvent,
    ) -> None:
        self._state, self._restorer, self._on_event = state, restorer, on_event
        self._stop, self._queued = stop, queued
        self._backoff = Backoff(first=1.0)
        self._interrupted = False

    def run(self) -> None:
        """Go on until the end."""
        while not self._stop.is_set():
            try:
                if self._interrupted:
                    self._state.resume()
                    self._interrupted = False
                self._turn()
            except LdrpsError as error:
                # The ledger is not writable, so even this failure cannot be recorded.
                self._interrupted = True
                self._wait(error)

    def _turn(self) -> None:
        """Work on one asset, or wait for one."""
        # Before the look: what comes after it sets the event again, and is not overlooked.
        self._queued.clear()
        entry = self._state.ledger.claim()
        if entry is None:
            self._queued.wait(_IDLE_SECONDS)
            return
        try:
            outcome = self._restorer.work(entry)
        except StoppedError:
            # A stop is no failure, and counts as no try.
            self._state.ledger.change(entry.key, state="queued")
        except Exception as error:
            known = error if isinstance(error, LdrpsError) else unforeseen(error)
            self._trouble(entry.key, known)
        else:
            self._backoff.reset()
            self._on_event(outcome.state, _line(outcome))

    def _wait(self, error: LdrpsError) -> None:
        self._on_event("waiting", shown(str(error)))
        self._stop.wait(self._backoff.next())

    def _trouble(self, key: str, error: LdrpsError) -> None:
        decision, ledger = reaction_to(error), self._state.ledger
        tries = ledger.entry(key).tries + 1
        if decision is RetryDecision.WAIT:
            ledger.change(key, state="queued")
            self._wait(error)
        elif decision is RetryDecision.RETRY and tries < MAX_TRIES:
            ledger.change(key, state="queued", tries=tries, round=ledger.entry(key).round + 1)
            if isinstance(error, FaultError):
                self._stop.wait(self._backoff.next())
        else:
            ledger.end(key, "failed", reason=error.reason, message=str(error), tries=tries)
            self._on_event("failed", shown(str(error)))


def _line(outcome: Outcome) -> str:
    return f"{shown(outcome.name)}: {shown(outcome.words)}"


def serve(
    where: Listening,
    state: ImmichState,
    restorer: Restorer,
    settings: Settings,
    stop: threading.Event,
    on_event: OnEvent,
) -> None:
    """Receive webhooks and restore until a signal ends it; `restorer` stops with `stop`."""
    queued = threading.Event()
    receiver = Receiver(state, settings, where.secret, queued)
    # Immich's action lets its user choose.
    route = Route("/", receiver.receive, methods=["POST", "PUT"])
    config: Any = uvicorn.Config(
        Starlette(routes=[route]),
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=64,
        timeout_graceful_shutdown=2,
    )
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((where.host, where.port))
            listener.listen(64)
        except OSError as error:
            why = cause(error)
            raise SettingsError(
                f"{where.host}:{where.port} cannot be listened on: {why}; choose another --listen"
            ) from None
        host, port = listener.getsockname()[:2]
        worker = threading.Thread(
            target=Queue(state, restorer, stop, queued, on_event).run, name="ldrps-immich"
        )
        # After the address is bound, so that nothing is restored by a command that then fails.
        worker.start()
        on_event("listening", f"{host}:{port}")
        try:
            SignalledServer(config).serve_on(listener)
        finally:
            stop.set()
            queued.set()
            worker.join()
