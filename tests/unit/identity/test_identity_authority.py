"""Roots, intermediates and leaves: what is in them, and whether openssl agrees."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from minimesh.identity.authority import (
    DAY,
    INTERMEDIATE_LIFE,
    Authority,
    SigningKey,
    issue,
    key_id,
    make_intermediate,
    make_root,
    signing_key,
)
from minimesh.identity.svid import Svid
from minimesh.model.identity import Identity
from minimesh.testing.forge import brought

NOW = 1_700_000_000.75
DOMAIN = "test.local"
WEB = Identity(DOMAIN, "web")


@pytest.fixture(scope="module")
def root() -> Authority:
    return make_root("test", DOMAIN, NOW)


@pytest.fixture(scope="module")
def intermediate(root: Authority) -> Authority:
    return make_intermediate(root, "test", DOMAIN, NOW)


@pytest.fixture(scope="module")
def svid(intermediate: Authority) -> Svid:
    return issue(intermediate, WEB, ["web", "web.test.localhost", "localhost", "127.0.0.1", "::1"], NOW, DAY)


def leaf(svid: Svid) -> x509.Certificate:
    return x509.load_pem_x509_certificate(svid.chain[0])


def test_a_root_signs_itself_and_is_of_the_trust_domain(root: Authority) -> None:
    certificate = root.loaded
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert root.not_after - NOW == pytest.approx(3652 * DAY, abs=1)
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://test.local"]
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (root.chain, root.root) == ((), root.certificate)


def test_an_intermediate_hangs_on_its_root_and_signs_leaves_alone(root: Authority, intermediate: Authority) -> None:
    certificate = intermediate.loaded
    certificate.verify_directly_issued_by(root.loaded)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert (intermediate.chain, intermediate.root) == ((intermediate.certificate,), root.certificate)
    assert intermediate.not_after - NOW == pytest.approx(INTERMEDIATE_LIFE, abs=1)


def test_nothing_outlives_what_signed_it(root: Authority) -> None:
    late = root.not_after - DAY
    intermediate = make_intermediate(root, "test", DOMAIN, late)
    assert intermediate.not_after == root.not_after
    assert issue(intermediate, WEB, (), late, 30 * DAY).not_after == intermediate.not_after


def test_a_leaf_is_for_one_service_and_the_names_that_clients_use(svid: Svid, intermediate: Authority) -> None:
    certificate = leaf(svid)
    certificate.verify_directly_issued_by(intermediate.loaded)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://test.local/svc/web"]
    assert names.get_values_for_type(x509.DNSName) == ["web", "web.test.localhost", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert (svid.not_before, svid.not_after) == (int(NOW - 60), int(NOW + DAY))
    assert (svid.serial, svid.issuer) == (certificate.serial_number, key_id(intermediate.loaded))
    assert svid.chain[1:] == intermediate.chain
    assert signing_key(svid.key).public_key() == certificate.public_key()


def test_every_leaf_has_a_key_and_a_serial_of_its_own(intermediate: Authority) -> None:
    leaves = [issue(intermediate, WEB, (), NOW, DAY) for _ in range(20)]
    assert len({svid.serial for svid in leaves}) == len({svid.key for svid in leaves}) == 20


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["rsa", "ed25519", "p-384"],
)
def test_authorities_of_others_sign_with_the_key_they_have(key: SigningKey) -> None:
    root = brought(key, "their root", NOW)
    intermediate = make_intermediate(root, "test", DOMAIN, NOW)
    intermediate.loaded.verify_directly_issued_by(root.loaded)
    leaf(issue(intermediate, WEB, (), NOW, DAY)).verify_directly_issued_by(intermediate.loaded)


def test_keys_that_cannot_sign_are_refused() -> None:
    other = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for pem in (other, locked, b"", b"-----BEGIN PRIVATE KEY-----\nnope\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(ValueError, match=r"\S"):
            signing_key(pem)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_agrees(root: Authority, svid: Svid, purpose: str, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(root.certificate)
    (tmp_path / "chain.pem").write_bytes(b"".join(svid.chain[1:]))
    (tmp_path / "leaf.pem").write_bytes(svid.chain[0])
    command = ["openssl", "verify", "-x509_strict", "-no-CApath", "-attime", str(int(NOW)), "-purpose", purpose]
    command += ["-CAfile", "root.pem", "-untrusted", "chain.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "leaf.pem: OK"), done.stderr
