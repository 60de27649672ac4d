"""Other machines: TLS and a token, or nothing."""

import datetime
import ipaddress
import os
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ldrps_client import Client, _reaching
from ldrps_engine.errors import AccessError, UnavailableError
from support.daemon import command, environment, free_port

pytestmark = pytest.mark.e2e

_PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates for one test."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("ours", self.key.public_key(), authority=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(_PEM))

    def issue(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key.public_key())
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(_PEM))
        paths[1].write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return paths

    def _sign(self, name, key, authority=False):
        now = datetime.datetime.now(datetime.UTC)
        issuer = "ours"
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), True)
            .add_extension(x509.SubjectAlternativeName(names), False)
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki")


@pytest.fixture
def served(start_daemon, authority, tmp_path, monkeypatch):
    """Starts a daemon with TLS, and gives clients what they need to reach it."""

    def serve(**options):
        certificate, key = authority.issue("localhost")
        address, token = f"tls:127.0.0.1:{free_port()}", tmp_path / "own" / "token"
        tls = {"tls_cert": certificate, "tls_key": key}
        start_daemon(address=address, token_file=token, **tls, **options)
        monkeypatch.setenv("LDRPS_TLS_CA", str(authority.path))
        monkeypatch.setenv("LDRPS_TOKEN_FILE", str(token))
        return address

    return serve


def status(address):
    with Client(address, autostart=False) as client:
        return client.status()


def test_with_certificate_and_token_it_works(served):
    address = served()
    assert status(address).address == address


def test_the_token_is_needed_as_well(served, monkeypatch, tmp_path):
    address = served()
    monkeypatch.setenv("LDRPS_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(AccessError, match="no valid token"):
        status(address)


def test_a_daemon_signed_by_somebody_else_is_not_trusted(served, monkeypatch, tmp_path):
    address = served()
    other = Authority(tmp_path / "other")
    monkeypatch.setenv("LDRPS_TLS_CA", str(other.path))
    with pytest.raises(UnavailableError):
        status(address)


def test_without_tls_nobody_gets_in(served):
    address = served()
    with pytest.raises(UnavailableError):
        status(address.removeprefix("tls:"))


def test_clients_can_be_made_to_show_a_certificate(served, authority, monkeypatch):
    address = served(tls_client_ca=authority.path)
    with monkeypatch.context() as patch:
        # It tries until its time is over, as somebody listens.
        patch.setattr(_reaching, "CALL_SECONDS", 3.0)
        with pytest.raises(UnavailableError):
            status(address)
    certificate, key = authority.issue("studio")
    monkeypatch.setenv("LDRPS_TLS_CERT", str(certificate))
    monkeypatch.setenv("LDRPS_TLS_KEY", str(key))
    with Client(address, autostart=False) as client:
        import numpy as np

        job_id = client.submit(np.zeros((20, 20, 3), np.uint8), detached=True)
        assert client.job(job_id).client == "cert studio"


@pytest.mark.parametrize("missing", ["tls_cert", "tls_key"])
def test_without_a_certificate_it_does_not_start(authority, tmp_path, missing):
    certificate, key = authority.issue("localhost")
    options = {"tls_cert": certificate, "tls_key": key}
    del options[missing]
    words = refusal(tmp_path, f"tls:0.0.0.0:{free_port()}", **options)
    assert "needs a certificate" in words


def test_a_certificate_that_is_none_is_named(authority, tmp_path):
    key = authority.issue("localhost")[1]
    rubbish = tmp_path / "x.pem"
    rubbish.write_text("rubbish")
    address = f"tls:127.0.0.1:{free_port()}"
    assert "is no PEM file" in refusal(tmp_path, address, tls_cert=rubbish, tls_key=key)
    missing = tmp_path / "none.pem"
    assert "cannot be read" in refusal(tmp_path, address, tls_cert=missing, tls_key=key)


def refusal(folder, address, **options):
    run = subprocess.run(
        command(address=address, spool=folder / "spool", token_file=folder / "t" / "t", **options),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment() | {"XDG_RUNTIME_DIR": os.fspath(folder)},
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    return run.stderr
