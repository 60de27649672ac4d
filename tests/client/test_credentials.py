"""Content credentials: signed into every kind of file, and read back by the library itself."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from ldrps_client.cli import main
from ldrps_client.files import decode, encode
from ldrps_client.provenance import read_mark
from ldrps_engine.photo import Photo

c2pa = pytest.importorskip("c2pa")
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402


def name(text):
    attributes = [(NameOID.COMMON_NAME, text), (NameOID.ORGANIZATION_NAME, "Test")]
    return x509.Name([x509.NameAttribute(*each) for each in attributes])


def certificate(subject, key, issuer, signer, *, authority):
    now = datetime.now(UTC)
    usages = dict.fromkeys(
        [
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("encipher_only", "decipher_only"),
        ],
        False,
    )
    usage = x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usages
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(usage, critical=True)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(key, password=None):
    way = serialization.NoEncryption()
    if password:
        way = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way)


def write_pair(folder, key):
    root = ec.generate_private_key(ec.SECP256R1())
    chain = [
        certificate("Ada", key, "Root", root, authority=False),
        certificate("Root", root, "Root", root, authority=True),
    ]
    parts = [each.public_bytes(serialization.Encoding.PEM) for each in chain]
    (folder / "cert.pem").write_bytes(b"".join(parts))
    (folder / "key.pem").write_bytes(pem(key))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def pair(tmp_path):
    (tmp_path / "keys").mkdir()
    return write_pair(tmp_path / "keys", ec.generate_private_key(ec.SECP256R1()))


def manifest_of(path):
    kind = {".jpg": "jpeg", ".tif": "tiff"}.get(path.suffix, path.suffix[1:])
    reader = c2pa.Reader(f"image/{kind}", io.BytesIO(path.read_bytes()))
    assert reader.get_validation_state() == "Valid"
    store = json.loads(reader.json())
    # Valid, and signed by somebody whom nobody has said to trust.
    assert {s["code"] for s in store["validation_status"]} == {"signingCredential.untrusted"}
    return store["manifests"][store["active_manifest"]]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_credentials_in_every_kind_of_file(address, pair, photo, ending):
    with Image.open(photo) as image:
        image.save(photo.with_suffix(ending))
    source, out = photo.with_suffix(ending), photo.with_name(f"out{ending}")
    assert main(["restore", str(source), "-o", str(out), "--c2pa", *map(str, pair)]) == 0
    manifest = manifest_of(out)
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == (source.name, "parentOf")
    actions = manifest["assertions"][-1]["data"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    # The rest of the file is as without.
    assert read_mark(out).derived_from.path == source.name
    plain = photo.with_name(f"plain{ending}")
    assert main(["restore", str(source), "-o", str(plain)]) == 0
    assert np.array_equal(decode(out).photo.pixels, decode(plain).photo.pixels)


def test_credentials_of_credentials(address, pair, photo):
    """Restored twice: the second names the first, with what it said."""
    for source, target in [("in.png", "one.png"), ("one.png", "two.png")]:
        paths = [str(photo.with_name(each)) for each in (source, target)]
        assert main(["restore", paths[0], "-o", paths[1], "--c2pa", *map(str, pair)]) == 0
    (ingredient,) = manifest_of(photo.with_name("two.png"))["ingredients"]
    assert ingredient["active_manifest"]


def test_pixels_without_a_file_are_created(client, pair, pixels, tmp_path):
    from ldrps_client.credentials import Credentials

    client.restore(pixels).save(tmp_path / "out.png", credentials=Credentials(*pair))
    (action,) = manifest_of(tmp_path / "out.png")["assertions"][-1]["data"]["actions"]
    assert action["action"] == "c2pa.created"


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_other_keys(address, photo, tmp_path, key):
    (tmp_path / "keys").mkdir()
    pair = write_pair(tmp_path / "keys", key)
    assert main(["restore", str(photo), "--c2pa", *map(str, pair)]) == 0
    manifest_of(tmp_path / "in_restored.png")


def refused(capsys, photo, fake, *pair):
    assert main(["restore", str(photo), "--c2pa", *map(str, pair)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert not fake.submits, "the work would have been for nothing"
    assert not photo.with_name("in_restored.png").exists()
    return err


def test_what_cannot_sign(address, capsys, fake, pair, photo, tmp_path):
    cert, key = pair
    say = [capsys, photo, fake]
    assert "no such file" in refused(*say, tmp_path / "none.pem", key)
    assert "no private key" in refused(*say, cert, cert)
    assert "no certificate" in refused(*say, key, key)
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "other.pem").write_bytes(pem(other))
    assert "is not the key of" in refused(*say, cert, tmp_path / "other.pem")
    (tmp_path / "locked.pem").write_bytes(pem(other, b"secret"))
    assert "without a password" in refused(*say, cert, tmp_path / "locked.pem")
    pair = write_pair(tmp_path, ec.generate_private_key(ec.SECP256K1()))
    assert "use an ECDSA key" in refused(*say, *pair)


def test_without_the_library(address, capsys, fake, pair, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "pip install 'ldrps[c2pa]'" in refused(capsys, photo, fake, *pair)


def test_signing_that_fails_leaves_nothing(address, capsys, pair, photo, monkeypatch):
    def fail(*_):
        raise c2pa.C2paError("the signer\nis ill")

    monkeypatch.setattr(c2pa.Builder, "sign", fail)
    assert main(["restore", str(photo), "--c2pa", *map(str, pair)]) == 5
    assert "cannot be signed: the signer is ill" in capsys.readouterr().err
    assert not list(photo.parent.glob("*restored*"))


def test_a_result_that_was_changed_is_reported(address, pair, photo):
    assert main(["restore", str(photo), "--c2pa", *map(str, pair)]) == 0
    out = photo.with_name("in_restored.png")
    data = bytearray(out.read_bytes())
    data[-30] ^= 1
    reader = c2pa.Reader("image/png", io.BytesIO(bytes(data)))
    assert reader.get_validation_state() == "Invalid"
    # And one that was only read and written again has none.
    encode(photo.with_name("again.png"), Photo.from_samples(decode(out).photo.to_samples()))
    with pytest.raises(c2pa.C2paError):
        c2pa.Reader("image/png", io.BytesIO(photo.with_name("again.png").read_bytes()))
