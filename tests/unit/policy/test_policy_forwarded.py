"""Who is believed of those who say whom a request is from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.policy.forwarded import Networks, Origin, ip_of, origin

TRUSTED = Networks(["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "by", "expected"),
    [
        ("203.0.113.9", ["1.2.3.4"], Origin("203.0.113.9")),
        ("127.0.0.1", [], Origin("127.0.0.1")),
        ("127.0.0.1", ["1.2.3.4"], Origin("1.2.3.4", ("1.2.3.4",))),
        ("127.0.0.1", ["6.6.6.6", "1.2.3.4"], Origin("1.2.3.4", ("1.2.3.4",))),
        ("127.0.0.1", ["6.6.6.6", "1.2.3.4", "10.1.1.1"], Origin("1.2.3.4", ("1.2.3.4", "10.1.1.1"))),
        ("127.0.0.1", ["10.2.2.2", "10.1.1.1"], Origin("10.2.2.2", ("10.2.2.2", "10.1.1.1"))),
        ("127.0.0.1", ["1.2.3.4", "unknown", "10.1.1.1"], Origin("10.1.1.1", ("10.1.1.1",))),
        ("127.0.0.1", ["unknown"], Origin("127.0.0.1")),
        ("127.0.0.1", ["1.2.3.4:5678"], Origin("1.2.3.4", ("1.2.3.4",))),
        ("127.0.0.1", ["[2001:db8::7]:443"], Origin("2001:db8::7", ("2001:db8::7",))),
        ("::ffff:127.0.0.1", ["1.2.3.4"], Origin("1.2.3.4", ("1.2.3.4",))),
        ("fd00::1", ["::ffff:10.0.0.1", "10.0.0.2"], Origin("10.0.0.1", ("10.0.0.1", "10.0.0.2"))),
        ("127.0.0.1", ["1.2.3.4" + "9" * 1000], Origin("127.0.0.1")),
        ("", ["1.2.3.4"], Origin("")),
    ],
)
def test_the_first_who_is_not_trusted_is_the_client(peer: str, by: list[str], expected: Origin) -> None:
    assert origin(peer, TRUSTED, by) == expected


@pytest.mark.parametrize(
    ("by", "protos", "expected"),
    [
        ([], ["https"], "https"),
        (["1.2.3.4"], ["HTTPS"], "https"),
        (["1.2.3.4"], [], ""),
        (["1.2.3.4"], ["https", "http"], "http"),  # the client wrote the first, the only proxy the second
        (["1.2.3.4", "10.0.0.1"], ["https", "http"], "https"),  # TLS ends at the first of two proxies
        (["1.2.3.4", "10.0.0.1"], ["https"], "https"),  # the first says it, the second passes it on
        (["1.2.3.4", "10.0.0.1"], ["x", "https", "http"], "https"),
    ],
)
def test_what_was_asked_is_told_by_the_proxy_next_to_the_client(
    by: list[str], protos: list[str], expected: str
) -> None:
    assert origin("127.0.0.1", TRUSTED, by, protos).proto == expected
    assert origin("127.0.0.1", TRUSTED, by, [], protos).host == expected
    assert origin("8.8.8.8", TRUSTED, by, protos, protos)[1:] == ((), "", "")


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=20)), max_size=8))
def test_whatever_is_said_the_client_is_an_address_that_was_vouched_for(by: list[str]) -> None:
    found = origin("127.0.0.1", TRUSTED, by)
    assert ip_of(found.client) is not None
    assert found.client == (found.chain[0] if found.chain else "127.0.0.1")
    assert all((ip := ip_of(each)) is not None and ip in TRUSTED for each in found.chain[1:])
    # What the client itself had written before cannot change who it is.
    client = ip_of(found.client)
    if found.chain and client is not None and client not in TRUSTED:
        assert origin("127.0.0.1", TRUSTED, ["9.9.9.9", *by]) == found
