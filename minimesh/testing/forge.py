"""Certificates as an attacker or a stranger would make them: an SVID in all but what is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from minimesh.identity.authority import ROOT_LIFE, Authority, SigningKey, general_name, key_usage, private_pem

BOTH_ENDS = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True)
class Forged:
    """chain: PEM, leaf first. key: PEM."""

    leaf: x509.Certificate
    chain: tuple[bytes, ...]
    key: bytes

    @property
    def der(self) -> bytes:
        return self.leaf.public_bytes(serialization.Encoding.DER)


def forge(
    authority: Authority | None,
    now: float,
    *,
    uris: Sequence[str] = ("spiffe://test.local/svc/web",),
    names: Sequence[str] = ("localhost",),
    ca: bool | None = False,
    usage: x509.KeyUsage | None = None,
    usage_left_out: bool = False,
    usage_critical: bool = True,
    purposes: Sequence[x509.ObjectIdentifier] = BOTH_ENDS,
    subject: str = "web",
    issuer_named: bool = True,
    begin: float = -60.0,
    end: float = 3600.0,
    extra: Sequence[x509.ExtensionType] = (),
) -> Forged:
    """A leaf signed by an authority, or by itself.

    ca None: without basic constraints. purposes empty: without extended key usage. uris and names empty: without an
    alternative name. begin, end: seconds from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.loaded.subject if authority else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now + begin), UTC))
        .not_valid_after(datetime.fromtimestamp(int(now + end), UTC))
    )
    alternative = [*map(x509.UniformResourceIdentifier, uris), *map(general_name, names)]
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if not usage_left_out:
        builder = builder.add_extension(usage or key_usage(digital_signature=True), critical=usage_critical)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if issuer_named:
        key_id = authority.key_id if authority else x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(key_id, None, None), critical=False)
    for extension in extra:
        builder = builder.add_extension(extension, critical=False)
    leaf = builder.sign(authority.signer if authority else key, hashes.SHA256())
    return Forged(
        leaf,
        (leaf.public_bytes(serialization.Encoding.PEM), *(authority.chain if authority else ())),
        private_pem(key),
    )


def brought(key: SigningKey, name: str, now: float, path_length: int | None = None) -> Authority:
    """A root that others made: it knows nothing of SPIFFE."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now) - 3600, UTC))
        .not_valid_after(datetime.fromtimestamp(int(now + ROOT_LIFE), UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return Authority(pem, (), pem, private_pem(key))
