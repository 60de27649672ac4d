"""Permission to call over TCP: the token that only this user can read, and TLS."""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from ldrps_daemon.config import ServeConfig
from ldrps_daemon.transport.certificate import context_of
from ldrps_daemon.transport.interceptors import HEALTH
from ldrps_daemon.transport.security import own_folder
from ldrps_engine.errors import AccessError, SettingsError
from ldrps_engine.model_store.atomic import CLOSED_ON_EXEC
from ldrps_wire.ownership import check_way
from ldrps_wire.status import AUTHORIZATION_KEY, REASON_KEY
from ldrps_wire.system import is_open_to_others


def read_token(path: Path) -> str:
    """Return the token in a file, made if there is none. It is kept so that clients stay valid."""
    own_folder(path.parent)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOSED_ON_EXEC
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return _existing(path)
    token = secrets.token_hex(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def _existing(path: Path) -> str:
    check_way(path)
    if is_open_to_others(path):
        raise SettingsError(f"token file {path} is open to others; delete it") from None
    token = path.read_text().strip()
    if not token:
        raise SettingsError(f"token file {path} is empty; delete it and a new one is made")
    return token


def tls_context(config: ServeConfig) -> ssl.SSLContext:
    """Return the TLS context for other machines; SettingsError if the certificate cannot be had."""
    if not (config.tls_cert and config.tls_key):
        raise SettingsError(
            f"address '{config.address}' needs a certificate; give --tls-cert and --tls-key"
        )
    for path in (config.tls_key, config.tls_cert):
        _check_pem(path)
    words = f"{config.tls_cert} and {config.tls_key} are no certificate with its key"
    context = context_of(config.tls_cert, config.tls_key, words)
    if config.tls_client_ca:
        _check_pem(config.tls_client_ca)
        try:
            context.load_verify_locations(config.tls_client_ca)
        except OSError:
            raise SettingsError(f"{config.tls_client_ca} holds no certificate") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _check_pem(path: Path) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})") from None
    if b"-----BEGIN" not in data:
        raise SettingsError(f"{path} is no PEM file; give one that begins with -----BEGIN")


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets only calls through that carry the token. Health stays open for probes."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Pass the call on, or refuse it as UNAUTHENTICATED."""
        shown = str(dict(details.invocation_metadata).get(AUTHORIZATION_KEY, ""))
        allowed = secrets.compare_digest(shown.encode(), self._expected)
        if allowed or details.method.startswith(HEALTH):
            return await continuation(details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_: bytes, context: Any) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the call shows no valid token; send the token file's content as a Bearer token",
        ((REASON_KEY, AccessError.reason),),
    )
