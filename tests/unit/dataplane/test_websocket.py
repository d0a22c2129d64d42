"""The keys of WebSocket's handshake."""

import pytest

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.websocket import accept_of, answers, key_in, key_of, with_accept, without_key

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_example_of_the_rfc() -> None:
    """RFC 6455, section 1.3."""
    assert key_of(b"the sample nonce") == KEY
    assert accept_of(KEY) == ACCEPT


@pytest.mark.parametrize(
    "values",
    [
        (),
        (KEY, KEY),
        (b"",),
        (b"dGhlIHNhbXBsZSBub25jZQ",),
        (b"dGhlIHNhbXBsZSBub25jZ===",),
        (b"!" * 24,),
        (b"AAAA" * 6,),
    ],
)
def test_what_is_no_key(values: tuple[bytes, ...]) -> None:
    assert key_in(Fields(tuple((b"sec-websocket-key", value) for value in values))) == b""


def test_the_key_is_found_in_any_spelling_and_taken_out() -> None:
    fields = Fields(http1=b"A: 1\r\nSEC-WebSocket-Key:  %b\r\nB: 2\r\n" % KEY)
    assert key_in(fields) == KEY
    assert without_key(fields) == Fields(((b"a", b"1"), (b"b", b"2")))


def test_an_answer_belongs_to_its_key_or_does_not() -> None:
    name = b"sec-websocket-accept"
    assert answers(Fields(((b"a", b"1"), (name, ACCEPT))), ACCEPT)
    for fields in ((), ((name, b"x"),), ((name, ACCEPT), (name, ACCEPT)), ((name, ACCEPT.lower()),)):
        assert not answers(Fields(fields), ACCEPT)


def test_an_answer_says_what_its_caller_asked_for() -> None:
    fields = Fields(((b"sec-websocket-accept", b"foreign"), (b"a", b"1")))
    assert with_accept(fields, ACCEPT).pairs == ((b"a", b"1"), (b"sec-websocket-accept", ACCEPT))
    assert with_accept(fields, b"").pairs == ((b"a", b"1"),)
