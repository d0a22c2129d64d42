"""What counts now: swapped contents, and what that does to what was proved before."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from minimesh.identity.authority import Authority, issue, make_intermediate, make_root
from minimesh.identity.svid import Svid
from minimesh.identity.trust import Contents, Trust
from minimesh.identity.untrusted import Doubt, Untrusted
from minimesh.model.identity import Identity

NOW = 1_700_000_000.0
DOMAIN = "test.local"
WEB, ORDERS = Identity(DOMAIN, "web"), Identity(DOMAIN, "orders")


@pytest.fixture(scope="module")
def root() -> Authority:
    return make_root("test", DOMAIN, NOW)


@pytest.fixture(scope="module")
def intermediate(root: Authority) -> Authority:
    return make_intermediate(root, "test", DOMAIN, NOW)


def svid(authority: Authority, identity: Identity = WEB) -> Svid:
    return issue(authority, identity, (), NOW, 3600)


def contents(*roots: Authority, issuers: tuple[Authority, ...] = (), svids: tuple[Svid, ...] = ()) -> Contents:
    return Contents(
        svids={svid.identity: svid for svid in svids},
        roots=tuple(root.certificate for root in roots),
        issuers=frozenset(issuer.key_id for issuer in issuers),
    )


def doubt(trust: Trust, svid: Svid) -> Doubt | None:
    untrusted = trust.standing(svid.peer, NOW)
    return untrusted.doubt if untrusted else None


def test_a_service_without_a_certificate_is_told_from_one_with() -> None:
    trust = Trust(DOMAIN)
    with pytest.raises(Untrusted, match="no_certificate"):
        trust.svid(WEB)


def test_contents_are_swapped_and_the_generation_says_so(root: Authority, intermediate: Authority) -> None:
    trust = Trust(DOMAIN)
    first, second = svid(intermediate), svid(intermediate)
    trust.swap(contents(root, issuers=(intermediate,), svids=(first,)))
    assert (trust.generation, trust.bundle, trust.svid(WEB)) == (1, 1, first)
    trust.swap(replace(trust.contents, svids={WEB: second}))
    assert (trust.generation, trust.bundle, trust.svid(WEB)) == (2, 1, second)
    assert trust.roots == (root.certificate,)


def test_a_revoked_leaf_counts_no_more_and_its_neighbours_do(root: Authority, intermediate: Authority) -> None:
    trust = Trust(DOMAIN)
    mine, other = svid(intermediate), svid(intermediate, ORDERS)
    trust.swap(contents(root, issuers=(intermediate,), svids=(mine, other)))
    assert doubt(trust, mine) is None
    trust.swap(replace(trust.contents, revoked=frozenset({mine.serial})))
    assert doubt(trust, mine) is Doubt.REVOKED
    assert doubt(trust, other) is None


def test_what_a_revoked_intermediate_signed_counts_no_more(root: Authority, intermediate: Authority) -> None:
    trust = Trust(DOMAIN)
    after = make_intermediate(root, "test", DOMAIN, NOW)
    old, new = svid(intermediate), svid(after)
    trust.swap(replace(contents(root, issuers=(after,)), revoked_issuers=frozenset({intermediate.key_id})))
    assert doubt(trust, old) is Doubt.REVOKED
    assert doubt(trust, new) is None


def test_a_barred_service_proves_nothing_and_gets_nothing(root: Authority, intermediate: Authority) -> None:
    trust = Trust(DOMAIN)
    mine, other = svid(intermediate), svid(intermediate, ORDERS)
    trust.swap(contents(root, issuers=(intermediate,), svids=(mine, other)))
    trust.swap(replace(trust.contents, barred=frozenset({WEB})))
    with pytest.raises(Untrusted, match="revoked"):
        trust.svid(WEB)
    assert (doubt(trust, mine), doubt(trust, other)) == (Doubt.REVOKED, None)


def test_whom_a_stranger_under_a_root_that_went_has_signed_must_prove_itself_anew(
    root: Authority, intermediate: Authority
) -> None:
    """Which root it hangs on is not known of a chain that TLS verified; ours are known."""
    trust = Trust(DOMAIN)
    second = make_root("test", DOMAIN, NOW)
    stranger = make_intermediate(second, "other", DOMAIN, NOW)
    leaf = x509.load_pem_x509_certificate(svid(stranger).chain[0]).public_bytes(serialization.Encoding.DER)
    ours = svid(intermediate)
    trust.swap(contents(root, second, issuers=(intermediate,)))
    with pytest.raises(Untrusted, match="nobody knows"):
        trust.verify(leaf, NOW)
    trust.swap(replace(trust.contents, strangers=True))
    peer = trust.verify(leaf, NOW)
    trust.swap(replace(trust.contents, roots=(second.certificate,)))
    untrusted = trust.standing(peer, NOW)
    assert untrusted is not None
    assert untrusted.doubt is Doubt.FOREIGN_AUTHORITY
    assert doubt(trust, ours) is None
    assert trust.standing(trust.verify(leaf, NOW), NOW) is None


def test_keys_are_not_shown(root: Authority, intermediate: Authority) -> None:
    for value in (root, intermediate, svid(intermediate)):
        assert "PRIVATE KEY" not in repr(value)
