"""Content credentials (C2PA 2.1): a signed statement in the file of what was done to which photo.

Through c2pa-python, an optional part. The certificate is the user's own; viewers say whom it
names, and trust it or not by their own lists.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ldrps_client._text import cause_and_remedy, plain
from ldrps_client.files import Format, LoadedFile
from ldrps_client.provenance import SOURCE_TYPE, Mark
from ldrps_engine.errors import OutputError, SettingsError

__all__ = ["Credentials"]

_TYPES = {kind: f"image/{kind.value.lower()}" for kind in Format}
_NAME = "LD-RPS Restore"
_CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}
# They would be pictures of the photo before and after, in every file.
_WITHOUT_THUMBNAILS = {"builder": {"thumbnail": {"enabled": False}}}


class Credentials:
    """Signer of files. SettingsError if certificate and key are not fit for it."""

    def __init__(self, certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
        """Load files in PEM form; the chain stands above the certificate, the key is not
        encrypted."""
        self._library = _library()
        chain, secret = _read(Path(certificate)), _read(Path(key))
        algorithm = _algorithm(Path(certificate), chain, Path(key), secret)
        info = self._library.C2paSignerInfo(algorithm, chain, secret, None)
        try:
            self._signer = self._library.Signer.from_info(info)
        except self._library.C2paError as error:
            raise SettingsError(f"{certificate} cannot sign: {_why(error)}") from None

    def sign(
        self, data: bytes, kind: Format, name: str, mark: Mark, source: LoadedFile | None
    ) -> bytes:
        """Sign a file's bytes; returns them with credentials, OutputError if that fails.

        `source` is the photo it was made from, whose own credentials become a part of these.
        """
        # Raw files hold no credentials, and are of kinds that the library does not know.
        is_known = source and source.on_disk and source.format is not Format.RAW
        parent = source if is_known else None
        context = self._library.Context.from_dict(_WITHOUT_THUMBNAILS)
        builder = self._library.Builder(_manifest(name, mark, edited=bool(parent)), context)
        signed = io.BytesIO()
        try:
            if parent:
                self._add_source(builder, parent)
            builder.sign(self._signer, _TYPES[kind], io.BytesIO(data), signed)
        except (self._library.C2paError, OSError) as error:
            raise OutputError(f"{name} cannot be signed: {_why(error)}") from None
        return signed.getvalue()

    def _add_source(self, builder: Any, source: LoadedFile) -> None:
        builder.set_intent(self._library.C2paBuilderIntent.EDIT)
        ingredient = {"title": plain(source.path.name), "relationship": "parentOf"}
        with source.path.open("rb") as file:
            builder.add_ingredient(ingredient, _TYPES[source.format], file)


def _manifest(name: str, mark: Mark, *, edited: bool) -> dict[str, Any]:
    agent = {"name": _NAME, "version": mark.version}
    action = {
        "action": "c2pa.edited" if edited else "c2pa.created",
        "softwareAgent": agent,
        "when": mark.when,
        "digitalSourceType": SOURCE_TYPE,
        "parameters": {"description": f"restored, recipe {mark.request.get('recipe', '')}"},
    }
    return {
        "claim_generator_info": [agent],
        "title": plain(name),
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def _library() -> Any:
    try:
        return import_module("c2pa")
    except ImportError:
        raise SettingsError(
            "content credentials need an optional part; run pip install 'ldrps[c2pa]'"
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {cause_and_remedy(error)}") from None


def _algorithm(certificate: Path, chain: bytes, key: Path, secret: bytes) -> bytes:
    """Return C2PA's name for the key's signatures, if it is the certificate's key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        private = serialization.load_pem_private_key(secret, password=None)
    except TypeError:
        raise SettingsError(f"{key} is encrypted; give the key without a password") from None
    except ValueError:
        raise SettingsError(f"{key} is no private key in PEM form") from None
    try:
        public = x509.load_pem_x509_certificates(chain)[0].public_key()
    except (ValueError, IndexError):
        raise SettingsError(f"{certificate} is no certificate in PEM form") from None
    if public != private.public_key():
        raise SettingsError(f"{key} is not the key of {certificate}; give the two that belong")
    if isinstance(private, ec.EllipticCurvePrivateKey):
        with suppress(KeyError):
            return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return b"ps256"
    raise SettingsError(f"{key} is of a kind that C2PA does not sign with; use an ECDSA key")


def _why(error: Exception) -> str:
    return " ".join(str(error).split())
