"""SPIFFE IDs, by the specification's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.identity.spiffe import SpiffeId, parse, service_of
from minimesh.model.identity import Identity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spiffe://shop.mesh/svc/orders", SpiffeId("shop.mesh", ("svc", "orders"))),
        ("spiffe://shop.mesh", SpiffeId("shop.mesh")),
        ("spiffe://127.0.0.1/a", SpiffeId("127.0.0.1", ("a",))),
        (
            "spiffe://k8s_west-1.example/ns/Staging/sa/default",
            SpiffeId("k8s_west-1.example", ("ns", "Staging", "sa", "default")),
        ),
        ("spiffe://a/..a/a..", SpiffeId("a", ("..a", "a.."))),
    ],
)
def test_ids_are_read_and_printed(text: str, expected: SpiffeId) -> None:
    assert parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "SPIFFE-ID 2:"),
        ("https://shop.mesh/svc/orders", "SPIFFE-ID 2:"),
        ("spiffe:/shop.mesh/svc/orders", "SPIFFE-ID 2:"),
        ("spiffe:shop.mesh", "SPIFFE-ID 2:"),
        ("SPIFFE://shop.mesh/svc/orders", "SPIFFE-ID 2:"),
        (" spiffe://shop.mesh/svc/orders", "SPIFFE-ID 2:"),
        ("spiffe://shop.mesh/svc/orders?x=1", "SPIFFE-ID 2:"),
        ("spiffe://shop.mesh/svc/orders#x", "SPIFFE-ID 2:"),
        ("spiffe://", "SPIFFE-ID 2.1"),
        ("spiffe:///svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://Shop.mesh/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://shop.mesh:443/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://me@shop.mesh/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://shop%2emesh/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://[::1]/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://shöp.mesh/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://" + "a" * 256 + "/svc/orders", "SPIFFE-ID 2.1"),
        ("spiffe://shop.mesh/", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/orders/", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh//svc/orders", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/./orders", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/../orders", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/or%64ers", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/orders\n", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/svc/orders\x00", "SPIFFE-ID 2.2"),
        ("spiffe://shop.mesh/" + "a" * 2048, "SPIFFE-ID 2.3"),
    ],
)
def test_what_is_none_is_refused_by_its_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{rule}"):
        parse(text)


@given(st.text(max_size=80) | st.from_regex(r"\Aspiffe://[a-zA-Z0-9.%:@/?#_-]*\Z"))
def test_what_is_read_is_printed_as_it_was(text: str) -> None:
    try:
        read = parse(text)
    except ValueError:
        return
    assert str(read) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spiffe://shop.mesh/svc/orders", Identity("shop.mesh", "orders")),
        ("spiffe://shop.mesh/svc", None),
        ("spiffe://shop.mesh/svc/orders/v2", None),
        ("spiffe://shop.mesh/user/orders", None),
        ("spiffe://shop.mesh", None),
    ],
)
def test_services_are_named_by_the_path(text: str, expected: Identity | None) -> None:
    assert service_of(parse(text)) == expected
