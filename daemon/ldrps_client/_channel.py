"""Connection to a daemon: channel, token, and gRPC's errors as ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from ldrps_client._listening import is_listening, silent
from ldrps_client._text import cause, cause_and_remedy
from ldrps_engine.errors import (
    BusyError,
    InternalError,
    LdrpsError,
    SettingsError,
    UnavailableError,
)
from ldrps_wire.address import (
    TLS,
    UNIX,
    certificate_file,
    check_address_is_ours,
    check_form,
    default_token_file,
)
from ldrps_wire.ownership import check_way
from ldrps_wire.status import AUTHORIZATION_KEY, REASON_KEY, RETRY_AFTER_KEY, error_of

_OPTIONS = (
    # A proxy for the web has no business between two processes of one machine.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also the time that a connection has to come about, proof of the daemon included: one over a
    # slow network, or to a daemon with a crowd before its door, takes more than the next moment.
    ("grpc.min_reconnect_backoff_ms", 5000),
    # Within a machine a try costs nothing, and where a crowd is, one of many gets through.
    ("grpc.max_reconnect_backoff_ms", 250),
)
_CUT = "Socket closed"
CA_VARIABLE = "LDRPS_TLS_CA"
CERT_VARIABLE = "LDRPS_TLS_CERT"
KEY_VARIABLE = "LDRPS_TLS_KEY"
_RETRY_AFTER = 10.0
# Parts of gRPC's messages about a server whose certificate is wrong or missing.
_NOT_PROVED = ("handshak", "CERTIFICATE_VERIFY_FAILED", "SSL_ERROR", "WRONG_VERSION_NUMBER")


def open_channel(address: str) -> Any:
    """Open a channel that connects when it is first used.

    SettingsError for what is no address, and for unusable certificates.

    On TCP it is encrypted. At a loopback address the daemon must have the key to the certificate
    that lies next to the token. For `tls:HOST:PORT`, `$LDRPS_TLS_CA` names who must have signed the
    daemon's certificate, `$LDRPS_TLS_CERT` and `$LDRPS_TLS_KEY` what this client shows of itself.
    """
    check_form(address)
    if address.startswith(UNIX):
        check_address_is_ours(address)
        return grpc.insecure_channel(address, options=_OPTIONS)
    if address.startswith(TLS):
        parts = [_pem(name) for name in (CA_VARIABLE, KEY_VARIABLE, CERT_VARIABLE)]
        secure = grpc.ssl_channel_credentials(*parts)
        return grpc.secure_channel(address.removeprefix(TLS), secure, options=_OPTIONS)
    return _Pinned(address)


class _Pinned:
    """A channel to a loopback address that trusts one certificate and nothing else.

    It is opened when it is first used, and again after a change of the certificate: a daemon makes
    it when it starts, which may be after us.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._certificate = b""
        self._channel: Any = None

    def __getattr__(self, kind: str) -> Callable[..., Callable[..., Any]]:
        if kind not in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            raise AttributeError(kind)

        def method(*how: Any, **more: Any) -> Callable[..., Any]:
            def call(*given: Any, **options: Any) -> Any:
                return getattr(self._opened(), kind)(*how, **more)(*given, **options)

            return call

        return method

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._channel:
                self._channel.close()
            self._channel = None

    def _opened(self) -> Any:
        certificate = _certificate(self._address)
        with self._lock:
            if self._channel is None or certificate != self._certificate:
                # Calls that are under way on the old one end with the daemon that had it.
                secure = grpc.ssl_channel_credentials(certificate)
                self._channel = grpc.secure_channel(self._address, secure, options=_OPTIONS)
                self._certificate = certificate
            return self._channel


def _certificate(address: str) -> bytes:
    path = certificate_file(default_token_file())
    check_way(path)
    try:
        return path.read_bytes()
    except OSError as error:
        lacking = f"its certificate {path} cannot be read ({cause(error)})"
        if is_listening(address):
            # A daemon makes it before it listens.
            raise UnavailableError(
                f"something listens on {address} but is no daemon of yours: {lacking}; end it, "
                "or give another address"
            ) from None
        raise UnavailableError(
            f"no daemon has been on {address}: {lacking}; "
            f"start one with 'ldrps serve --address {address}'"
        ) from None


def _pem(variable: str) -> bytes | None:
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        why = cause_and_remedy(error)
        raise SettingsError(f"{variable}: {path} cannot be read: {why}") from None


def credentials(address: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that lets us in: none on a unix socket, the token on TCP.

    SettingsError where another user could have put socket or token there.
    """
    if address.startswith(UNIX):
        check_address_is_ours(address)
        return ()
    token_file = default_token_file()
    check_way(token_file)
    try:
        token = token_file.read_text().strip()
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
    """Convert a failed call to its error; our own reason word decides where there is one."""
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
        if any(word in details for word in _NOT_PROVED):
            return UnavailableError(
                f"what listens on {address} does not prove to be your daemon, so nothing was sent "
                "to it; end it, or give another address"
            )
        if is_listening(address):
            return silent(address)
        return UnavailableError(f"no daemon answers on {address}; start one with 'ldrps serve'")
    if code is grpc.StatusCode.CANCELLED:
        return UnavailableError(f"the daemon on {address} ended at this call; start it again")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(f"the daemon on {address} does not answer in time; restart it")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return InternalError(f"what serves {address} is no daemon of ours, or of another version")
    return InternalError(f"the daemon answered {code.name} ({details}); please report this")


def has_reason(error: Any) -> bool:
    """Tell whether the daemon itself said why a call failed."""
    return REASON_KEY in dict(error.trailing_metadata() or ())


def is_cut_off(error: Any) -> bool:
    """Tell whether a call failed for want of a connection, so that no daemon ever had it."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    if has_reason(error):
        return False
    details = error.details() or ""
    # Who is cut off before it has heard the daemon's proof has not heard a false one.
    return _CUT in details or not any(word in details for word in _NOT_PROVED)


def is_connection_loss(error: Any) -> bool:
    """Tell whether a call failed because the connection did, so that another may succeed."""
    if error.code() is grpc.StatusCode.CANCELLED:
        # gRPC's word, not ours: this is how a daemon that ends cuts off running calls.
        return not has_reason(error)
    return bool(error.code() is grpc.StatusCode.UNAVAILABLE)
