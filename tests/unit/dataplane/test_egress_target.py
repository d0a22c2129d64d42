"""Targets of a forward proxy, read by the letter."""

import pytest

from minimesh.dataplane.egress.target import TargetError, read_target
from minimesh.model.egress import Target

GOOD = {
    b"api.test": Target("api.test", 80),
    b"api.test:8080": Target("api.test", 8080),
    b"api.test.": Target("api.test", 80),
    b"api.test.:1": Target("api.test", 1),
    b"a_b.test:65535": Target("a_b.test", 65535),
    b"xn--bcher-kva.test": Target("xn--bcher-kva.test", 80),
    b"0x7f000001.test": Target("0x7f000001.test", 80),
    b"1.test": Target("1.test", 80),
    b"10.0.0.1": Target("10.0.0.1", 80),
    b"10.0.0.1.:81": Target("10.0.0.1", 81),
    b"[::1]:80": Target("::1", 80),
    b"[0:0:0:0:0:0:0:1]": Target("::1", 80),
    b"[::ffff:10.0.0.1]:80": Target("::ffff:10.0.0.1", 80),
    b"orders": Target("orders", 80),
}
BAD = [
    b"",
    b":80",
    b"api.test:",
    b"api.test:0",
    b"api.test:65536",
    b"api.test:99999",
    b"api.test:80:80",
    b"api.test:+80",
    b"a b.test",
    b"user@api.test",
    b"user:pass@api.test",
    b"api.test/",
    b"api.test#x",
    b"api.test?x",
    b"api..test",
    b".api.test",
    b"api.test..",
    b"-api.test",
    b"api-.test",
    b"a" * 64 + b".test",
    b"a." * 127 + b"test",
    b"2130706433",
    b"0x7f000001",
    b"0x7f.0.0.1",
    b"127.1",
    b"0177.0.0.1",
    b"127.0.0.01",
    b"127.0.0.256",
    b"1.2.3.4.5",
    b"127.0.0.1.0x1",
    b"api.123",
    b"[::1",
    b"::1",
    b"[::1%25lo]:80",
    b"[fe80::1%1]:80",
    b"[1.2.3.4]:80",
    b"[::g]:80",
    b"api\xc3\xa9.test",
    b"api%2etest",
    b"*.api.test",
]


@pytest.mark.parametrize("authority", GOOD, ids=repr)
def test_what_is_meant(authority: bytes) -> None:
    assert read_target(authority, 80) == GOOD[authority]


@pytest.mark.parametrize("authority", BAD, ids=lambda raw: repr(raw[:30]))
def test_what_could_mean_something_else_is_refused(authority: bytes) -> None:
    with pytest.raises(TargetError):
        read_target(authority, 80)


def test_connect_needs_a_port() -> None:
    assert read_target(b"api.test:443", None) == Target("api.test", 443)
    with pytest.raises(TargetError, match="no port"):
        read_target(b"api.test", None)
