"""HPACK: how fields are written."""

import pytest

from minimesh.dataplane.http2.hpack import block, status


@pytest.mark.parametrize(
    ("pair", "encoded"),
    [
        ((b":method", b"GET"), b"\x82"),
        ((b":method", b"PUT"), b"\x02\x03PUT"),
        ((b":authority", b""), b"\x81"),
        ((b"accept-charset", b"a"), b"\x0f\x00\x01a"),
        ((b"via", b"1.1 a"), b"\x0f\x2d\x051.1 a"),
        ((b"x-a", b"a"), b"\x00\x03x-a\x01a"),
        ((b"x-a", b"a" * 126), b"\x00\x03x-a\x7e" + b"a" * 126),
        ((b"x-a", b"a" * 127), b"\x00\x03x-a\x7f\x00" + b"a" * 127),
        ((b"x-a", b"a" * 300), b"\x00\x03x-a\x7f\xad\x01" + b"a" * 300),
        ((b"authorization", b"a"), b"\x1f\x08\x01a"),
        ((b"x-api-key", b"a"), b"\x10\x09x-api-key\x01a"),
        ((b":status", b"200"), b"\x88"),
    ],
)
def test_fields_are_encoded(pair: tuple[bytes, bytes], encoded: bytes) -> None:
    assert block([pair]) == encoded


def test_statuses() -> None:
    assert status(200) == b"\x88"
    assert status(201) == b"\x08\x03201"
    assert status(999) == b"\x08\x03999"
