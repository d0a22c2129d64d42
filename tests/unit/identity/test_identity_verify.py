"""What a certificate proves: a forged one for each rule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from minimesh.identity.authority import DAY, Authority, issue, key_usage, make_intermediate, make_root
from minimesh.identity.svid import Svid
from minimesh.identity.trust import Contents, Trust
from minimesh.identity.untrusted import Doubt, Untrusted
from minimesh.identity.verify import RULES
from minimesh.model.identity import Identity
from minimesh.testing.clock import VirtualClock
from minimesh.testing.forge import Forged, forge

DOMAIN = "test.local"
WEB = Identity(DOMAIN, "web")
CLOCK = VirtualClock()
NOW = CLOCK.wall()
HOUR = 3600.0


@pytest.fixture(scope="module")
def root() -> Authority:
    return make_root("test", DOMAIN, NOW)


@pytest.fixture(scope="module")
def intermediate(root: Authority) -> Authority:
    return make_intermediate(root, "test", DOMAIN, NOW)


@pytest.fixture
def trust(root: Authority, intermediate: Authority) -> Trust:
    trust = Trust(DOMAIN)
    trust.swap(Contents(roots=(root.certificate,), issuers=frozenset({intermediate.key_id})))
    return trust


def der(svid: Svid) -> bytes:
    return x509.load_pem_x509_certificate(svid.chain[0]).public_bytes(serialization.Encoding.DER)


def refused(trust: Trust, leaf: bytes, now: float = NOW) -> Untrusted:
    with pytest.raises(Untrusted) as error:
        trust.verify(leaf, now)
    return error.value


def test_an_svid_proves_its_service(trust: Trust, intermediate: Authority) -> None:
    svid = issue(intermediate, WEB, ["web", "localhost"], NOW, 24 * HOUR)
    peer = trust.verify(der(svid), NOW)
    assert (peer.identity, peer.serial, peer.issuer) == (WEB, svid.serial, intermediate.key_id)
    assert (peer.not_before, peer.not_after) == (NOW - 60, NOW + 24 * HOUR)
    assert replace(svid.peer, generation=peer.generation) == peer
    assert trust.standing(peer, NOW) is None


def test_what_nobody_has_changed_of_a_forged_one_is_an_svid(trust: Trust, intermediate: Authority) -> None:
    """So that each refusal below is for the one thing that is said there."""
    assert trust.verify(forge(intermediate, NOW).der, NOW).identity == WEB


GOOD = "spiffe://test.local/svc/web"
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

FORGED: dict[str, tuple[Mapping[str, Any], Doubt, str]] = {
    "two URI names": ({"uris": (GOOD, "spiffe://test.local/svc/orders")}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "the same URI twice": ({"uris": (GOOD, GOOD)}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "a web page's URI beside it": ({"uris": (GOOD, "https://test.local/")}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "no URI name": ({"uris": ()}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "no alternative name at all": ({"uris": (), "names": ()}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "the identity as a DNS name alone": ({"uris": (), "names": ("web",)}, Doubt.NOT_A_SVID, "X509-SVID 2:"),
    "another scheme": ({"uris": ("https://test.local/svc/web",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2:"),
    "an upper-case scheme": (
        {"uris": ("SPIFFE://test.local/svc/web",)},
        Doubt.NOT_A_SVID,
        "X509-SVID 5.2, SPIFFE-ID 2:",
    ),
    "an empty URI": ({"uris": ("",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2:"),
    "a query": ({"uris": (GOOD + "?as=orders",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2:"),
    "a fragment": ({"uris": (GOOD + "#orders",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2:"),
    "a port": ({"uris": ("spiffe://test.local:1/svc/web",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.1"),
    "a user": ({"uris": ("spiffe://x@test.local/svc/web",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.1"),
    "an upper-case domain": (
        {"uris": ("spiffe://Test.local/svc/web",)},
        Doubt.NOT_A_SVID,
        "X509-SVID 5.2, SPIFFE-ID 2.1",
    ),
    "an escape": ({"uris": ("spiffe://test.local/svc/w%65b",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.2"),
    "a relative path": (
        {"uris": ("spiffe://test.local/svc/x/../web",)},
        Doubt.NOT_A_SVID,
        "X509-SVID 5.2, SPIFFE-ID 2.2",
    ),
    "a slash at the end": ({"uris": (GOOD + "/",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.2"),
    "2,049 bytes": ({"uris": (GOOD + "x" * (2049 - len(GOOD)),)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.3"),
    "no path": ({"uris": ("spiffe://test.local",)}, Doubt.NOT_A_SVID, "X509-SVID 3.1"),
    "the root path": ({"uris": ("spiffe://test.local/",)}, Doubt.NOT_A_SVID, "X509-SVID 5.2, SPIFFE-ID 2.2"),
    "no subject": ({"subject": ""}, Doubt.NOT_A_SVID, "X509-SVID 3.1"),
    "an authority": ({"ca": True}, Doubt.NOT_A_SVID, "X509-SVID 4.1"),
    "no key usage": ({"usage_left_out": True}, Doubt.NOT_A_SVID, "X509-SVID 4.3"),
    "key usage that may be ignored": ({"usage_critical": False}, Doubt.NOT_A_SVID, "X509-SVID 4.3"),
    "no digitalSignature": ({"usage": key_usage()}, Doubt.NOT_A_SVID, "X509-SVID 4.3: digitalSignature"),
    "keyCertSign": (
        {"usage": key_usage(digital_signature=True, key_cert_sign=True)},
        Doubt.NOT_A_SVID,
        "X509-SVID 4.3: keyCertSign",
    ),
    "cRLSign": (
        {"usage": key_usage(digital_signature=True, crl_sign=True)},
        Doubt.NOT_A_SVID,
        "X509-SVID 4.3: cRLSign",
    ),
    "for servers alone": ({"purposes": (SERVER,)}, Doubt.NOT_A_SVID, "X509-SVID 4.4"),
    "for clients alone": ({"purposes": (CLIENT,)}, Doubt.NOT_A_SVID, "X509-SVID 4.4"),
    "for mail": ({"purposes": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)}, Doubt.NOT_A_SVID, "X509-SVID 4.4"),
    "an issuer that is not named": ({"issuer_named": False}, Doubt.NOT_A_SVID, "RFC 5280"),
    "another trust domain": ({"uris": ("spiffe://other.local/svc/web",)}, Doubt.FOREIGN_TRUST_DOMAIN, "spiffe://other"),
    "a domain below ours": ({"uris": ("spiffe://a.test.local/svc/web",)}, Doubt.FOREIGN_TRUST_DOMAIN, "spiffe://a."),
    "no service": ({"uris": ("spiffe://test.local/user/web",)}, Doubt.NOT_A_SERVICE, "spiffe://test.local/user"),
    "more than a service": ({"uris": (GOOD + "/v2",)}, Doubt.NOT_A_SERVICE, "spiffe://test.local/svc/web/v2"),
    "expired": ({"begin": -2 * HOUR, "end": -1}, Doubt.EXPIRED, "the certificate of spiffe://test.local/svc/web"),
    "not valid yet": (
        {"begin": 10, "end": HOUR},
        Doubt.NOT_YET_VALID,
        "the certificate of spiffe://test.local/svc/web",
    ),
}


@pytest.mark.parametrize(("change", "doubt", "detail"), FORGED.values(), ids=FORGED.keys())
def test_forged_certificates_are_refused_for_the_right_reason(
    trust: Trust, intermediate: Authority, change: Mapping[str, Any], doubt: Doubt, detail: str
) -> None:
    error = refused(trust, forge(intermediate, NOW, **change).der)
    assert error.doubt is doubt
    assert error.detail.startswith(detail)


def test_every_rule_has_its_forged_certificate(intermediate: Authority) -> None:
    from minimesh.identity import verify

    broken = set()
    for change, _, _ in FORGED.values():
        leaf = verify.read(forge(intermediate, NOW, **change).der)
        broken.add(next((rule for rule in RULES if rule(leaf)), None))
    assert broken - {None} == set(RULES)


@pytest.mark.parametrize(
    "change",
    [
        {"ca": None},
        {"purposes": ()},
        {"purposes": (SERVER, CLIENT, ExtendedKeyUsageOID.EMAIL_PROTECTION)},
        {"names": ()},
    ],
    ids=["no basic constraints", "no extended key usage", "a further purpose", "no other names"],
)
def test_what_the_specification_lets_pass_passes(
    trust: Trust, intermediate: Authority, change: Mapping[str, Any]
) -> None:
    assert trust.verify(forge(intermediate, NOW, **change).der, NOW).identity == WEB


def test_signing_certificates_prove_nothing(trust: Trust, root: Authority, intermediate: Authority) -> None:
    for authority in (root, intermediate):
        error = refused(trust, authority.loaded.public_bytes(serialization.Encoding.DER))
        assert error.doubt is Doubt.NOT_A_SVID


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_what_is_no_certificate_is_refused(trust: Trust, intermediate: Authority, cut: int) -> None:
    assert refused(trust, forge(intermediate, NOW).der[:cut]).doubt is Doubt.NOT_A_CERTIFICATE


def test_extensions_that_cannot_be_read_are_refused(trust: Trust, intermediate: Authority) -> None:
    garbage = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x30\x05nope")
    forged = forge(intermediate, NOW, purposes=(), extra=(garbage,))
    assert refused(trust, forged.der).doubt is Doubt.NOT_A_CERTIFICATE


def test_validity_is_asked_of_the_clock(trust: Trust, intermediate: Authority) -> None:
    clock = VirtualClock()
    forged: Forged = forge(intermediate, clock.wall(), begin=0, end=HOUR)
    peer = trust.verify(forged.der, clock.wall())
    assert refused(trust, forged.der, clock.wall() - 3 * DAY).doubt is Doubt.NOT_YET_VALID
    clock.advance(HOUR)
    assert trust.standing(peer, clock.wall()) is None
    clock.advance(1)
    assert refused(trust, forged.der, clock.wall()).doubt is Doubt.EXPIRED
    standing = trust.standing(peer, clock.wall())
    assert standing is not None
    assert standing.doubt is Doubt.EXPIRED
