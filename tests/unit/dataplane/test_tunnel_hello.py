"""The server name in a ClientHello: as real clients send it, in pieces, and as nobody should."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.dataplane.tunnel.hello import LARGEST_HELLO, NotTlsError, server_name


def hello(name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


def record(data: bytes) -> bytes:
    return b"\x16\x03\x01" + len(data).to_bytes(2) + data


def message(*extensions: bytes, session: bytes = b"", suites: bytes = b"\x13\x01", tail: bytes = b"") -> bytes:
    body = b"\x03\x03" + bytes(32) + bytes([len(session)]) + session + len(suites).to_bytes(2) + suites + b"\x01\x00"
    if extensions:
        joined = b"".join(extensions)
        body += len(joined).to_bytes(2) + joined
    body += tail
    return b"\x01" + len(body).to_bytes(3) + body


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def named(name: bytes, kind: int = 0) -> bytes:
    entry = bytes([kind]) + len(name).to_bytes(2) + name
    return extension(0, len(entry).to_bytes(2) + entry)


REAL = hello("db.example.test")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_openssl_asks_for(version: ssl.TLSVersion) -> None:
    assert server_name(hello("DB.Example.test", version)) == b"db.example.test"
    assert server_name(hello(None, version)) == b""


def test_every_beginning_of_a_hello_wants_more() -> None:
    for size in range(len(REAL)):
        assert server_name(REAL[:size]) is None
    assert server_name(REAL + b"early data, or anything") == b"db.example.test"


@given(st.integers(16, len(REAL) - 6))
def test_a_hello_may_be_spread_over_records(size: int) -> None:
    body = REAL[5:]
    spread = b"".join(record(body[at : at + size]) for at in range(0, len(body), size))
    assert server_name(spread) == b"db.example.test"
    assert server_name(spread[:-1]) is None


def test_a_client_without_extensions_names_nobody() -> None:
    assert server_name(record(message())) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x02",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        record(b"\x02"),
        record(b"\x01\x00\x40\x01"),
        record(message(suites=b"")),
        record(message(suites=b"\x13")),
        record(message(session=bytes(33))),
        record(message(named(b"a.test"), named(b"b.test"))),
        record(message(named(b"a.test"), tail=b"\x00")),
        record(message(named(b""))),
        record(message(named(b"a test"))),
        record(message(named(b"a\0.test"))),
        record(message(named(b"a.test", kind=1))),
        record(message(named(b"a" * 256))),
        record(message(extension(0, b""))),
        record(message(extension(0, b"\x00\x09\x00\x00\x06a.test\x00"))),
        record(b"\x01\x00\x00\x05\x03\x03abc"),
    ],
)
def test_what_is_no_client_of_tls(data: bytes) -> None:
    with pytest.raises(NotTlsError):
        server_name(data)


def test_a_hello_has_a_largest_size() -> None:
    padding = extension(21, bytes(LARGEST_HELLO - 60))
    fits = message(padding)
    assert len(fits) <= LARGEST_HELLO
    assert server_name(record(fits)) == b""
    with pytest.raises(NotTlsError, match="longer"):
        server_name(record(message(extension(21, bytes(LARGEST_HELLO)))[: LARGEST_HELLO - 1]))


def test_a_hello_in_crumbs_is_none() -> None:
    with pytest.raises(NotTlsError, match="spread over"):
        server_name(b"".join(record(REAL[at : at + 1]) for at in range(5, len(REAL))))


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(data: bytes) -> None:
    for start in (b"", b"\x16\x03\x01", REAL[:60]):
        with contextlib.suppress(NotTlsError):
            server_name(start + data)


@given(st.integers(5, len(REAL) - 1), st.integers(0, 255))
def test_nor_for_a_hello_with_one_byte_changed(at: int, value: int) -> None:
    try:
        name = server_name(REAL[:at] + bytes([value]) + REAL[at + 1 :])
    except NotTlsError:
        return
    assert name is None or name.isascii()
