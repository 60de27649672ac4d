"""The daemon's own certificate on loopback, so that another holder of the port cannot pose as it.

Key and certificate are made once, next to the token. Clients of the same user read the certificate
there and trust nothing else, so that the token only ever goes to the holder of the key.
"""

from __future__ import annotations

import ipaddress
import ssl
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ldrps_engine.errors import SettingsError
from ldrps_engine.model_store.atomic import write_atomically
from ldrps_wire.address import certificate_file
from ldrps_wire.ownership import check_way, own_folder
from ldrps_wire.system import is_open_to_others

# RFC 5280, 4.1.2.5: no date at which it ends. It is replaced by deleting it.
_FIRST_DAY, _LAST_DAY = datetime(2000, 1, 1), datetime(9999, 12, 31, 23, 59, 59)


def own_context(token_file: Path) -> ssl.SSLContext:
    """Return the TLS context of loopback TCP; SettingsError if it cannot be made or used."""
    key_file = own_pair(token_file)
    damaged = f"key file {key_file} is damaged; delete it and a new one is made"
    return context_of(key_file, key_file, damaged)


def context_of(certificate: Path, key: Path, damaged: str) -> ssl.SSLContext:
    """Build TLS for a server of HTTP/2; SettingsError in the given words for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["h2"])
    try:
        # There is no user to be asked for a password.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or str(error)
        raise SettingsError(f"{damaged} ({words})") from None
    return context


def own_pair(token_file: Path) -> Path:
    """Return the file with key and certificate, made if there is none; the latter lies next to
    it."""
    own_folder(token_file.parent)
    certificate = certificate_file(token_file)
    key_file = certificate.with_suffix(".key")
    try:
        if not key_file.exists():
            # Several daemons may start at once: one of them names it.
            _write(key_file, _make(), replace=False)
        check_way(key_file)
        if is_open_to_others(key_file):
            raise SettingsError(f"key file {key_file} is open to others; delete it")
        pair = key_file.read_bytes()
        public = pair[pair.find(b"-----BEGIN CERTIFICATE") :]
        if not (certificate.exists() and certificate.read_bytes() == public):
            _write(certificate, public, replace=True)
    except OSError as error:
        raise SettingsError(
            f"{error.filename or key_file} cannot be used ({error.strerror})"
        ) from None
    if b"PRIVATE KEY" not in pair or not public.startswith(b"-----BEGIN"):
        raise SettingsError(f"key file {key_file} is damaged; delete it and a new one is made")
    return key_file


def _make() -> bytes:
    """Make a private key and a certificate for this machine's names of itself, in PEM form."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "LD-RPS Restore")])
    hosts = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_LAST_DAY)
        # As an authority of its own, which it is to those who trust it; nothing below it.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *hosts]), False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a whole file; an existing one stays unless it is to be replaced."""
    # Of two daemons that start at once, the first one's key counts for both.
    with suppress(FileExistsError):
        write_atomically(path, data, force=replace, mode=0o600)
