"""Fields in both forms, trace context, kept uploads, encoded heads, and the choice of a codec."""

import pytest

from minimesh.dataplane.codec import FAST
from minimesh.dataplane.codecs import codec_named
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, OutgoingHead, RequestHead, ResponseHead
from minimesh.dataplane.http1.encode import request_prefix, response_head
from minimesh.dataplane.ids import span_id, trace_id, traceparent
from minimesh.dataplane.reference import CODECS, REFERENCE
from minimesh.dataplane.upload import Upload
from minimesh.policy.resend import KEPT_BODY

CONTEXT = b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"


def test_fields_from_either_side() -> None:
    lines = Fields(http1=b"Accept: */*\r\nX-A:\t1 \r\n")
    assert lines.pairs == ((b"accept", b"*/*"), (b"x-a", b"1"))
    pairs = Fields(((b"accept", b"*/*"), (b"x-a", b"1")))
    assert pairs.http1 == b"accept: */*\r\nx-a: 1\r\n"
    assert lines == pairs
    assert hash(lines) == hash(pairs)
    assert lines.get(b"x-a") == b"1"
    assert lines.get(b"x-b") is None
    assert NO_FIELDS.pairs == ()
    assert NO_FIELDS.http1 == b""


def test_a_trace_is_continued() -> None:
    context = traceparent(CONTEXT, lambda bits: 0x10)
    assert context == b"00-0123456789abcdef0123456789abcdef-0000000000000011-00"
    assert trace_id(context) == CONTEXT[3:35]
    assert span_id(context) == b"0000000000000011"


def test_a_trace_is_begun() -> None:
    """Never with zeros, which are not valid."""
    context = traceparent(b"", lambda bits: 0)
    assert context == b"00-" + b"0" * 31 + b"1-" + b"0" * 15 + b"1-01"


def test_an_upload_is_kept_up_to_its_bound() -> None:
    upload = Upload(b"one", ended=False)
    assert upload.take() == b"one"
    upload.keep(b"two", sent=True)
    assert upload.resendable
    assert upload.take() == b"onetwo"
    upload.keep(b"x" * KEPT_BODY, sent=True)
    assert not upload.resendable
    upload.keep(b"ignored", sent=True)
    assert upload.take() == b""


def test_an_unsent_upload_is_kept_whole_once() -> None:
    upload = Upload(b"x" * KEPT_BODY, ended=False)
    upload.keep(b"y", sent=False)
    assert upload.resendable
    assert upload.take() == b"x" * KEPT_BODY + b"y"
    assert not upload.resendable


def test_encoded_heads_are_kept_with_the_head() -> None:
    head = ResponseHead(200, Fields(((b"a", b"b"),)))
    assert response_head(head) == b"HTTP/1.1 200 OK\r\na: b\r\n\r\n"
    assert head.http1 == response_head(head)
    assert response_head(ResponseHead(299)) == b"HTTP/1.1 299 \r\n\r\n"


def test_a_request_as_it_goes_out() -> None:
    head = RequestHead(
        b"POST", b"/api/x", b"a", Fields(((b"b", b"c"),)), UNKNOWN, upgrade=b"websocket", expects_continue=True
    )
    request = OutgoingHead(head, b"/x", b"orders", Fields(((b"x-forwarded-for", b"1"),)))
    assert request_prefix(request).split(b"\r\n") == [
        b"POST /x HTTP/1.1",
        b"host: orders",
        b"b: c",
        b"transfer-encoding: chunked",
        b"expect: 100-continue",
        b"connection: upgrade",
        b"upgrade: websocket",
        b"x-forwarded-for: 1",
        b"",
    ]


def test_codecs_by_name() -> None:
    assert codec_named("fast") is FAST
    assert codec_named("reference") is REFERENCE
    assert {name: codec.name for name, codec in CODECS.items()} == {"fast": "fast", "reference": "reference"}
    with pytest.raises(ValueError, match=r"'slow'.*fast and reference"):
        codec_named("slow")
