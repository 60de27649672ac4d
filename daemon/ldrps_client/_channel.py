"""The connection to a daemon: channel, token, and gRPC's errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from ldrps_client._address import TLS, UNIX, default_token_file
from ldrps_client._status import AUTHORIZATION_KEY, REASON_KEY, RETRY_AFTER_KEY, error_of
from ldrps_engine.errors import (
    BusyError,
    InternalError,
    LdrpsError,
    SettingsError,
    UnavailableError,
)

_OPTIONS = (
    # A proxy for the web has no business between two processes of one machine.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
CA_VARIABLE = "LDRPS_TLS_CA"
CERT_VARIABLE = "LDRPS_TLS_CERT"
KEY_VARIABLE = "LDRPS_TLS_KEY"
_RETRY_AFTER = 10.0


def open_channel(address: str) -> Any:
    """A channel that connects when it is first used; SettingsError for unusable certificates.

    To `tls:HOST:PORT` it is encrypted: `$LDRPS_TLS_CA` names who must have signed the daemon's
    certificate, `$LDRPS_TLS_CERT` and `$LDRPS_TLS_KEY` what this client shows of itself.
    """
    if not address.startswith(TLS):
        return grpc.insecure_channel(address, options=_OPTIONS)
    parts = [_pem(name) for name in (CA_VARIABLE, KEY_VARIABLE, CERT_VARIABLE)]
    secure = grpc.ssl_channel_credentials(*parts)
    return grpc.secure_channel(address.removeprefix(TLS), secure, options=_OPTIONS)


def _pem(variable: str) -> bytes | None:
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{variable}: {path} cannot be read ({error.strerror})") from None


def credentials(address: str) -> tuple[tuple[str, str], ...]:
    """Metadata that lets us in: nothing on a unix socket, the token on TCP."""
    if address.startswith(UNIX):
        return ()
    try:
        token = default_token_file().read_text().strip()
    except OSError:
        return ()
    return ((AUTHORIZATION_KEY, f"Bearer {token}"),)


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise gRPC's errors as ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_from_rpc(error, address) from None


def error_from_rpc(error: Any, address: str) -> LdrpsError:
    """What a failed call means; our own reason word decides where there is one."""
    trailing = dict(error.trailing_metadata() or ())
    reason = trailing.get(REASON_KEY)
    if reason == BusyError.reason:
        return BusyError(error.details(), _seconds(trailing.get(RETRY_AFTER_KEY)))
    if reason:
        return error_of(reason, error.details())
    return _plain_error(error.code(), error.details() or "no reason given", address)


def _seconds(text: str | None) -> float:
    try:
        return float(text or _RETRY_AFTER)
    except ValueError:
        return _RETRY_AFTER


def _plain_error(code: grpc.StatusCode, details: str, address: str) -> LdrpsError:
    if code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(f"no daemon answers on {address}; start one with 'ldrps serve'")
    if code is grpc.StatusCode.CANCELLED:
        return UnavailableError(f"the daemon on {address} ended at this call; start it again")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(f"the daemon on {address} does not answer in time; restart it")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return InternalError(f"what serves {address} is no daemon of ours, or of another version")
    return InternalError(f"the daemon answered {code.name} ({details}); please report this")


def is_connection_loss(error: Any) -> bool:
    """Whether a call failed because the way to the daemon did, so that another may succeed."""
    if error.code() is grpc.StatusCode.CANCELLED:
        # gRPC's word, not ours: a daemon that ends cuts off so what is under way.
        return REASON_KEY not in dict(error.trailing_metadata() or ())
    return bool(error.code() is grpc.StatusCode.UNAVAILABLE)
