"""Authorities that others made: read strictly, so that what is wrong is said at the start and not in a handshake."""

from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from minimesh.identity.authority import Authority, as_authority, intermediate_name, private_pem, signing_key

SMALLEST_RSA = 2048


def assembled(chain: bytes, key: bytes) -> Authority:
    """An authority out of its PEM: its own certificate first, then those above it, in any number; trust begins at the
    last. Raises ValueError that says what is wrong."""
    try:
        first, *above = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ValueError("there is no certificate in it (PEM)") from None
    for below, over in pairwise((first, *above)):
        if below == over:
            raise ValueError("a certificate is in it twice")
        try:
            below.verify_directly_issued_by(over)
        except (ValueError, TypeError, InvalidSignature):
            raise ValueError(f"{_called(below)} is not signed by the next, {_called(over)}") from None
    pems = [each.public_bytes(serialization.Encoding.PEM) for each in (first, *above)]
    return Authority(pems[0], tuple(pems[:-1]), pems[-1], key)


def flaw(authority: Authority, now: float) -> str:
    """Why an authority cannot sign, of the certificate and then of its key; ''. now: seconds since 1970."""
    certificate = authority.loaded
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        return f"{_called(certificate)} is the certificate of a server, not of an authority (CA:TRUE is missing)"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        return f"{_called(certificate)} may not sign certificates (keyCertSign is not set)"
    for each in (certificate, *x509.load_pem_x509_certificates(b"".join((*authority.chain, authority.root)))):
        if now > each.not_valid_after_utc.timestamp():
            return f"{_called(each)} expired on {each.not_valid_after_utc:%Y-%m-%d}"
        if now < each.not_valid_before_utc.timestamp():
            return f"{_called(each)} is not valid before {each.not_valid_before_utc:%Y-%m-%d}"
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < SMALLEST_RSA:
        return f"the RSA key of {_called(certificate)} has {public.key_size} bits; {SMALLEST_RSA} are the fewest"
    return ""


def matches(authority: Authority) -> bool:
    """Whether the key is the one of the certificate. Raises ValueError: it is none that can sign."""
    return signing_key(authority.key).public_key() == authority.loaded.public_key()


def is_last(authority: Authority) -> bool:
    """There may be no authority below it, so that it has to sign leaves itself."""
    return authority.loaded.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def is_of(authority: Authority, trust_domain: str) -> bool:
    """It has the SPIFFE ID of this trust domain (X509-SVID, section 3.2)."""
    try:
        names = authority.loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://{trust_domain}"]


def request(project: str, trust_domain: str) -> tuple[bytes, bytes]:
    """A request for an intermediate (PKCS #10), which asks for what it will need; and its key. Both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(intermediate_name(project))
    for extension, critical in as_authority(trust_domain, 0):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private_pem(key)


def _called(certificate: x509.Certificate) -> str:
    return f'"{certificate.subject.rfc4514_string()}"'
