"""Whether a certificate is an SVID of a service: the X509-SVID specification, point by point.

TLS has verified the chain up to a root before (section 5.1); these are the rules for the leaf (5.2) and what the
sections that it refers to ask of one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from minimesh.identity import spiffe
from minimesh.identity.spiffe import SpiffeId
from minimesh.identity.untrusted import Doubt, Untrusted

_MALFORMED = (ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the rules look at. None: the extension is not there."""

    certificate: x509.Certificate
    alternative: x509.Extension[x509.SubjectAlternativeName] | None
    constraints: x509.BasicConstraints | None
    usage: x509.Extension[x509.KeyUsage] | None
    extended: x509.ExtendedKeyUsage | None
    issuer: bytes

    @property
    def uris(self) -> list[str]:
        return self.alternative.value.get_values_for_type(x509.UniformResourceIdentifier) if self.alternative else []


def read(der: bytes) -> Leaf:
    """A certificate taken apart. Raises Untrusted (not_a_certificate)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        known = {type(extension.value): extension for extension in certificate.extensions}
    except _MALFORMED as error:
        raise Untrusted(Doubt.NOT_A_CERTIFICATE, f"it is not well-formed ({error})") from error
    constraints, extended = known.get(x509.BasicConstraints), known.get(x509.ExtendedKeyUsage)
    authority = known.get(x509.AuthorityKeyIdentifier)
    return Leaf(
        certificate,
        known.get(x509.SubjectAlternativeName),
        constraints.value if constraints else None,
        known.get(x509.KeyUsage),
        extended.value if extended else None,
        (authority.value.key_identifier or b"") if authority else b"",
    )


def one_uri(leaf: Leaf) -> str:
    """Section 2: exactly one URI SAN; a validator must reject more than one."""
    count = len(leaf.uris)
    return "" if count == 1 else f"X509-SVID 2: it has {count} URI names, and must have exactly one"


def spiffe_id(leaf: Leaf) -> str:
    """Sections 2 and 5.2: the URI is a SPIFFE ID, its scheme `spiffe`."""
    try:
        spiffe.parse(leaf.uris[0])
    except ValueError as error:
        return f"X509-SVID 5.2, {error}"
    return ""


def non_root_path(leaf: Leaf) -> str:
    """Sections 3.1 and 5.2: the SPIFFE ID of a leaf has a path."""
    return "" if spiffe.parse(leaf.uris[0]).path else "X509-SVID 3.1: its SPIFFE ID has no path"


def named(leaf: Leaf) -> str:
    """Section 3.1: without a subject, the alternative name is critical (RFC 5280, 4.1.2.6)."""
    if leaf.alternative and not leaf.alternative.critical and not list(leaf.certificate.subject):
        return "X509-SVID 3.1: it has no subject, and its alternative name is not critical"
    return ""


def not_an_authority(leaf: Leaf) -> str:
    """Sections 4.1 and 5.2: `cA` is false. A signing certificate authenticates nobody (3.2)."""
    return "X509-SVID 4.1: it is the certificate of an authority" if leaf.constraints and leaf.constraints.ca else ""


def usage_set(leaf: Leaf) -> str:
    """Section 4.3: key usage is there, and critical."""
    return "" if leaf.usage and leaf.usage.critical else "X509-SVID 4.3: it has no key usage that is marked critical"


def signs_data(leaf: Leaf) -> str:
    """Section 4.3: `digitalSignature` is set on a leaf."""
    return "" if leaf.usage and leaf.usage.value.digital_signature else "X509-SVID 4.3: digitalSignature is not set"


def signs_no_certificates(leaf: Leaf) -> str:
    """Sections 4.3 and 5.2: `keyCertSign` is not set on a leaf."""
    return "X509-SVID 4.3: keyCertSign is set" if leaf.usage and leaf.usage.value.key_cert_sign else ""


def signs_no_lists(leaf: Leaf) -> str:
    """Sections 4.3 and 5.2: `cRLSign` is not set on a leaf."""
    return "X509-SVID 4.3: cRLSign is set" if leaf.usage and leaf.usage.value.crl_sign else ""


def both_sides(leaf: Leaf) -> str:
    """Section 4.4: extended key usage, where it is there, has both serverAuth and clientAuth."""
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    if leaf.extended is None or all(purpose in leaf.extended for purpose in both):
        return ""
    return "X509-SVID 4.4: extended key usage is without serverAuth or clientAuth"


def issuer_named(leaf: Leaf) -> str:
    """RFC 5280, 4.2.1.1: it says which key signed it. TLS holds it to that, so the signer can be revoked."""
    return "" if leaf.issuer else "RFC 5280 4.2.1.1: it has no authority key identifier"


RULES: tuple[Callable[[Leaf], str], ...] = (
    one_uri,
    spiffe_id,
    non_root_path,
    named,
    not_an_authority,
    usage_set,
    signs_data,
    signs_no_certificates,
    signs_no_lists,
    both_sides,
    issuer_named,
)
"""Each gives what is wrong, or ''; one may count on those before it."""


def spiffe_id_of(leaf: Leaf) -> SpiffeId:
    """The identity that a leaf proves, if it is an SVID. Raises Untrusted (not_a_svid)."""
    for rule in RULES:
        if wrong := rule(leaf):
            raise Untrusted(Doubt.NOT_A_SVID, wrong)
    return spiffe.parse(leaf.uris[0])
