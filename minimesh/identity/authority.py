"""Who signs: the root of a project, an intermediate for each running mesh, a leaf for each service."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from minimesh.identity.lifecycle import Entry, Kind, Source, State
from minimesh.identity.svid import Svid
from minimesh.model.identity import Identity

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

DAY = 24 * 3600.0
ROOT_LIFE = 3652 * DAY
INTERMEDIATE_LIFE = 90 * DAY
AUTHORITY_BACKDATE = 7 * DAY
"""Before its making that an authority is valid from, so that a clock that is set back does not end the mesh."""
LEAF_BACKDATE = 60.0
"""The same for a leaf, for a peer whose clock is behind."""

_ENDS = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class Authority:
    """A key that signs certificates, and what says that it may.

    certificate, chain, root: PEM. chain: its own certificate and those above, up to but without the root; nothing for
    a root itself. key: PEM (PKCS #8).
    """

    certificate: bytes
    chain: tuple[bytes, ...]
    root: bytes
    key: bytes = field(repr=False)

    @cached_property
    def loaded(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)

    @cached_property
    def signer(self) -> SigningKey:
        return signing_key(self.key)

    @property
    def anchor(self) -> "Authority":
        """Its root, without the key."""
        return Authority(self.root, (), self.root, b"")

    @cached_property
    def key_id(self) -> bytes:
        return key_id(self.loaded)

    @property
    def not_before(self) -> float:
        return self.loaded.not_valid_before_utc.timestamp()

    @property
    def not_after(self) -> float:
        return self.loaded.not_valid_after_utc.timestamp()


def signing_key(pem: bytes) -> SigningKey:
    """A key that can sign certificates. Raises ValueError: it is none, or of another kind, or it has a passphrase."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("the key has a passphrase, or is of an unknown kind") from error
    if not isinstance(key, SigningKey):
        raise ValueError("the key is neither ECDSA nor RSA nor Ed25519")
    return key


def key_id(certificate: x509.Certificate) -> bytes:
    """The subject key identifier of a certificate; where it has none, what RFC 5280, 4.2.1.2 makes of its key."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def make_root(project: str, trust_domain: str, now: float) -> Authority:
    """The authority at which all chains of a project end: ECDSA P-256, ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"minimesh root of {project}", project)
    builder = (
        _begin(name, key.public_key(), now - AUTHORITY_BACKDATE, now + ROOT_LIFE)
        .issuer_name(name)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    pem = _pem(_extended(builder, as_authority(trust_domain, None)).sign(key, hashes.SHA256()))
    return Authority(pem, (), pem, private_pem(key))


def make_intermediate(above: Authority, project: str, trust_domain: str, now: float) -> Authority:
    """What signs the leaves of one running mesh; it lives no longer than what is above it."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin = max(now - AUTHORITY_BACKDATE, above.not_before)
    end = min(now + INTERMEDIATE_LIFE, above.not_after)
    builder = (
        _begin(intermediate_name(project), key.public_key(), begin, end)
        .issuer_name(above.loaded.subject)
        .add_extension(_issued_by(above), critical=False)
    )
    pem = _pem(_extended(builder, as_authority(trust_domain, 0)).sign(above.signer, _digest(above.signer)))
    return Authority(pem, (pem, *above.chain), above.root, private_pem(key))


def issue(authority: Authority, identity: Identity, names: Iterable[str], now: float, ttl: float) -> Svid:
    """A new leaf with a new key: exactly one URI name, and the DNS names and addresses that clients use.

    ttl: seconds; the leaf lives no longer than its authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    begin = max(now - LEAF_BACKDATE, authority.not_before)
    end = min(now + ttl, authority.not_after)
    uri = x509.UniformResourceIdentifier(identity.spiffe_id)
    certificate = (
        _begin(_name(identity.service, identity.trust_domain), key.public_key(), begin, end)
        .issuer_name(authority.loaded.subject)
        .add_extension(_issued_by(authority), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_ENDS), critical=False)
        .add_extension(x509.SubjectAlternativeName([uri, *map(general_name, names)]), critical=False)
        .sign(authority.signer, _digest(authority.signer))
    )
    return Svid(
        identity,
        certificate.serial_number,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        (_pem(certificate), *authority.chain),
        private_pem(key),
        authority.key_id,
    )


def as_authority(trust_domain: str, path_length: int | None) -> list[tuple[x509.ExtensionType, bool]]:
    """What an authority has in its certificate, and whether that is critical: among it the SPIFFE ID of its trust
    domain, without a path (X509-SVID, section 3.2)."""
    uri = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage(key_cert_sign=True, crl_sign=True), True),
        (x509.SubjectAlternativeName([uri]), False),
    ]


def described(authority: Authority, kind: Kind, state: State, source: Source, trust_domain: str, now: float) -> Entry:
    """An authority as the book has it."""
    return Entry(
        kind,
        authority.key_id,
        authority.key_id if kind is Kind.ROOT else authority.anchor.key_id,
        state,
        source,
        trust_domain,
        authority.certificate,
        authority.not_before,
        authority.not_after,
        now,
    )


def intermediate_name(project: str) -> x509.Name:
    return _name(f"minimesh intermediate of {project}", project)


def general_name(text: str) -> x509.GeneralName:
    """A name that clients use: an IP address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    """Only what is said is set."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def private_pem(key: SigningKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _begin(
    subject: x509.Name, public: ec.EllipticCurvePublicKey, not_before: float, not_after: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(not_before))
        .not_valid_after(_moment(not_after))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _extended(
    builder: x509.CertificateBuilder, extensions: Iterable[tuple[x509.ExtensionType, bool]]
) -> x509.CertificateBuilder:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder


def _issued_by(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(authority.key_id, None, None)


def _digest(key: SigningKey) -> hashes.SHA256 | None:
    """What a key of its kind signs with: Ed25519 has a digest of its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _name(common: str, organization: str) -> x509.Name:
    """At most 64 characters each (RFC 5280, appendix A.1)."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _moment(seconds: float) -> datetime:
    """Certificates know whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
