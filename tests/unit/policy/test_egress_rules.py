"""Who may reach what: by host, and by the address that it turns out to have."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.egress import Egress, Target
from minimesh.policy.egress import Rules, embedded, is_inner, is_this_machine, literal
from minimesh.spec.egress import listed

INNER = [
    "127.0.0.1",
    "127.255.0.9",
    "::1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "ff02::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:db8::1",
    "192.0.2.1",
    "203.0.113.9",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]


def rules(*texts: str, mode: Egress = Egress.REGISTERED) -> Rules:
    return Rules(mode, [listed(text) for text in texts])


@pytest.mark.parametrize("text", INNER)
def test_what_is_inside_is_not_reached_by_a_name_alone(text: str) -> None:
    address = ip_address(text)
    assert is_inner(address)
    assert not rules("api.test:443").lets_reach(Target("api.test", 443), address)
    assert rules("api.test:443", mode=Egress.OBSERVE).lets_reach(Target("api.test", 443), address)


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_is_reached_by_a_name(text: str) -> None:
    assert not is_inner(ip_address(text))
    assert rules("api.test:443").lets_reach(Target("api.test", 443), ip_address(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10.1.2.3:5432", "10.1.2.3"),
        ("10.1.0.0/16:5432", "10.1.2.3"),
        ("10.1.2.3:5432", "::ffff:10.1.2.3"),
        ("[fd00::5]:5432", "fd00::5"),
        ("[fd00::/64]:5432", "fd00::5"),
    ],
)
def test_an_address_that_is_listed_is_reached_by_itself_and_by_a_listed_name(text: str, what: str) -> None:
    address, target = ip_address(what), Target("db.test", 5432)
    assert rules(text, "db.test:5432").lets_reach(target, address)
    assert not rules(text, "db.test:5433").lets_reach(Target("db.test", 5433), address)
    assert rules(text).lets_leave(Target(what, 5432))
    assert not rules(text).lets_leave(Target(what, 80))


@pytest.mark.parametrize(
    ("entry", "host", "passes"),
    [
        ("api.test:443", "api.test", True),
        ("api.test:443", "a.api.test", False),
        ("API.Test.:443", "api.test", True),
        ("*.api.test:443", "a.api.test", True),
        ("*.api.test:443", "b.a.api.test", True),
        ("*.api.test:443", "api.test", False),
        ("*.api.test:443", "evilapi.test", False),
        ("10.0.0.1:443", "10.0.0.1", True),
        ("10.0.0.1:443", "10.0.0.1.test", False),
        ("0.0.0.0/0:443", "8.8.8.8", True),
        ("0.0.0.0/0:443", "api.test", False),
    ],
)
def test_hosts_that_are_listed(entry: str, host: str, passes: bool) -> None:
    assert rules(entry).lets_leave(Target(host, 443)) is passes
    assert not rules(entry).lets_leave(Target(host, 80))
    assert rules(entry, mode=Egress.OBSERVE).lets_leave(Target(host, 80))


def test_localhost_is_this_machine_for_who_lists_it() -> None:
    own = rules("localhost:9000")
    assert own.lets_reach(Target("localhost", 9000), ip_address("127.0.0.1"))
    assert own.lets_reach(Target("localhost", 9000), ip_address("::1"))
    assert not own.lets_reach(Target("localhost", 9000), ip_address("10.0.0.1"))
    assert not rules("a.localhost:9000").lets_reach(Target("a.localhost", 9000), ip_address("127.0.0.1"))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_dress_is_the_same(address: object) -> None:
    plain = ip_address(str(address))
    number = int(plain)
    for dress in (
        f"::ffff:{plain}",
        str(ip_address((0x64FF9B << 96) + number)),
        str(ip_address((0x2002 << 112) + (number << 80))),
    ):
        dressed = ip_address(dress)
        assert embedded(dressed) == plain
        assert is_inner(dressed) is is_inner(plain)
        assert is_this_machine(dressed) is is_this_machine(plain)


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_what_the_kernel_takes_for_this_machine(text: str) -> None:
    assert is_this_machine(ip_address(text))


def test_a_name_is_no_address() -> None:
    assert literal("api.test") is None
    assert literal("1.2.3.4") == ip_address("1.2.3.4")
