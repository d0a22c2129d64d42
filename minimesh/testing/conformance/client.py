"""How a codec behaves towards an endpoint: requests out, keeping, cuts and what they mean, tunnels, time."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import UNKNOWN, Fields
from minimesh.dataplane.streams import Fate
from minimesh.dataplane.websocket import accept_of
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET
from minimesh.testing.conformance.case import case_of
from minimesh.testing.conformance.harness import TRACE_CONTEXT, ClientHarness

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
OWN = b"x-request-id: id\r\ntraceparent: " + TRACE_CONTEXT + b"\r\n\r\n"
TRAILERS = Fields(((b"sum", b"42"),))
SWITCH = b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


# --- requests --------------------------------------------------------------------------------------------------


def sends_a_head(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask(fields=Fields(((b"accept", b"*/*"),)))
    assert harness.transport.sent == b"GET / HTTP/1.1\r\nhost: orders\r\naccept: */*\r\n" + OWN


def sends_a_body_of_known_length(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask(b"POST", data=b"he", length=5, end=False, fields=Fields(((b"content-length", b"5"),)))
    harness.connection.send_data(b"llo")
    harness.connection.send_end(None)
    assert harness.transport.sent == b"POST / HTTP/1.1\r\nhost: orders\r\ncontent-length: 5\r\n" + OWN + b"hello"


def sends_a_large_body_at_once(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask(b"POST", data=b"x" * 50_000)
    assert harness.transport.sent.endswith(b"\r\n\r\n" + b"x" * 50_000)


def chunks_a_body_of_unknown_length(codec: Codec) -> None:
    for data, sent in ((b"", b""), (b"one", b"3\r\none\r\n")):
        harness = ClientHarness(codec)
        harness.ask(b"POST", data=data, length=UNKNOWN, end=False)
        harness.connection.send_data(b"")
        harness.connection.send_data(b"twenty-six bytes of a body")
        harness.connection.send_end(TRAILERS)
        head, _, body = harness.transport.sent.partition(b"\r\n\r\n")
        assert b"\r\ntransfer-encoding: chunked" in head
        assert body == sent + b"1a\r\ntwenty-six bytes of a body\r\n0\r\nsum: 42\r\n\r\n"


def chunks_a_whole_body_of_unknown_length(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask(b"POST", data=b"x", length=UNKNOWN)
    assert harness.transport.sent.endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    harness.transport.feed(OK)
    assert harness.kept


def passes_an_expectation_on(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask(b"POST", length=5, end=False, expects_continue=True)
    assert b"\r\nexpect: 100-continue\r\n" in harness.transport.sent
    harness.transport.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert heard.informational == [100]
    harness.connection.send_data(b"hello")
    harness.connection.send_end(None)
    harness.transport.feed(OK)
    assert heard.ended


# --- keeping ---------------------------------------------------------------------------------------------------


def serves_one_after_the_other(codec: Codec) -> None:
    harness = ClientHarness(codec)
    for served in range(3):
        assert harness.connection.served == served
        heard = harness.ask()
        assert harness.transport.taken().startswith(b"GET / ")
        harness.transport.feed(OK)
        assert (heard.body, heard.ended, harness.kept) == (b"hello", True, True)


def a_head_request_has_no_body_in_its_answer(codec: Codec) -> None:
    harness = ClientHarness(codec)
    for answer in (OK.removesuffix(b"hello"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        heard = harness.ask(b"HEAD")
        harness.transport.feed(answer)
        assert heard.head is not None
        assert (heard.head.length, heard.body, heard.ended, harness.kept) == (0, b"", True, True)
    heard = harness.ask(b"GET")
    harness.transport.feed(OK)
    assert heard.body == b"hello"


def what_follows_an_answer_is_nobodys(codec: Codec) -> None:
    for more in (OK + OK, b"HTTP/1.1 204 No\r\n\r\nbody", b"HTTP/1.1 304 Same\r\n\r\nx", OK + b"\r\n"):
        harness = ClientHarness(codec)
        heard = harness.ask()
        harness.transport.feed(more)
        assert heard.ended
        assert heard.body in (b"hello", b"")
        assert not harness.kept
        assert harness.gone


def what_comes_unasked_is_nobodys(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask()
    harness.transport.feed(OK)
    harness.transport.feed(OK)
    assert harness.gone


def a_body_without_length_ends_with_the_connection(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.transport.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    harness.transport.feed(b"lo")
    assert not heard.ended
    harness.transport.end()
    assert (heard.body, heard.ended, heard.cut, harness.gone) == (b"hello", True, None, True)


def an_answer_before_the_request_is_out_ends_the_connection(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask(b"POST", data=b"he", length=5, end=False)
    harness.transport.feed(OK)
    assert heard.ended
    assert not harness.kept
    assert harness.gone


# --- cuts ------------------------------------------------------------------------------------------------------


def a_cut_in_the_answer_is_a_cut(codec: Codec) -> None:
    for begun in (
        OK[:-1],
        OK[:20],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 Go on\r\n\r\n",
    ):
        harness = ClientHarness(codec)
        heard = harness.ask()
        harness.transport.feed(begun)
        harness.transport.end()
        assert (heard.cut, heard.fate, heard.ended) == (UPSTREAM_RESET, Fate.UNKNOWN, False)
        assert harness.gone


def a_reset_ends_no_body(codec: Codec) -> None:
    """Without a length only an orderly end is an end."""
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.transport.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    harness.transport.lose(ConnectionResetError())
    assert (heard.cut, heard.ended) == (UPSTREAM_RESET, False)


def a_close_without_an_answer_is_stale_only_on_a_kept_connection(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.transport.end()
    assert heard.fate is Fate.UNKNOWN
    harness = ClientHarness(codec)
    harness.ask()
    harness.transport.feed(OK)
    heard = harness.ask()
    harness.transport.end()
    assert (heard.cut, heard.fate) == (UPSTREAM_RESET, Fate.STALE)


def a_reset_from_our_side_is_final(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.connection.reset()
    harness.transport.settle()
    assert harness.transport.aborted
    assert (heard.cut, harness.gone) == (None, True)


# --- tunnels ---------------------------------------------------------------------------------------------------


def a_tunnel_to_an_endpoint_carries_bytes_as_they_are(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask(upgrade=b"websocket")
    assert b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n" in harness.transport.taken()
    harness.transport.feed(SWITCH + b"early")
    assert heard.head is not None
    assert (heard.head.status, heard.head.upgrade, heard.body) == (101, b"websocket", b"early")
    harness.transport.feed(b" HTTP/1.1 200 OK\r\n\r\n")
    assert heard.body == b"early HTTP/1.1 200 OK\r\n\r\n"
    harness.connection.send_data(b"0\r\n\r\n")
    assert harness.transport.taken() == b"0\r\n\r\n"
    harness.connection.send_end(None)
    assert harness.transport.ended
    harness.transport.feed(b"!")
    harness.transport.end()
    assert (heard.ended, heard.cut) == (True, None)
    harness.connection.reset()
    harness.transport.settle()
    assert harness.gone


def a_refused_upgrade_keeps_the_connection(codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask(upgrade=b"websocket")
    harness.transport.feed(OK.replace(b"200 OK", b"403 No"))
    assert heard.head is not None
    assert (heard.head.status, heard.head.upgrade, heard.body, harness.kept) == (403, b"", b"hello", True)


def a_switch_to_another_protocol_is_refused(codec: Codec) -> None:
    for answer in (SWITCH.replace(b"WebSocket", b"h2c"), SWITCH.replace(b"Connection: Upgrade\r\n", b"")):
        harness = ClientHarness(codec)
        heard = harness.ask(upgrade=b"websocket")
        harness.transport.feed(answer)
        assert heard.cut is not None
        assert harness.gone


def a_key_is_made_for_a_caller_without_one_and_its_answer_kept_to_itself(codec: Codec) -> None:
    keys = set()
    for _ in range(2):
        harness = ClientHarness(codec)
        heard = harness.ask(upgrade=b"websocket", multiplexed=True)
        key = _key_in(harness.transport.sent)
        keys.add(key)
        said = b"Sec-WebSocket-Accept: %b\r\nA: 1\r\n" % accept_of(key)
        harness.transport.feed(SWITCH[:-2] + said + b"\r\nbytes")
        assert heard.head is not None
        assert (heard.head.status, heard.head.upgrade, heard.body) == (101, b"websocket", b"bytes")
        names = {name for name, _ in heard.head.fields.pairs}
        assert (b"a" in names, b"sec-websocket-accept" in names) == (True, False)
    assert len(keys) == 2


def an_answer_to_another_key_is_refused(codec: Codec) -> None:
    for said in (b"", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"):
        harness = ClientHarness(codec)
        heard = harness.ask(upgrade=b"websocket", multiplexed=True)
        harness.transport.feed(SWITCH[:-2] + said + b"\r\n")
        assert (heard.cut, harness.gone) == (UPSTREAM_PROTOCOL, True)


def a_plain_answer_is_not_taken_for_a_tunnel(codec: Codec) -> None:
    """By a caller to whom any 2xx would say that it is open."""
    harness = ClientHarness(codec)
    heard = harness.ask(upgrade=b"websocket", multiplexed=True)
    harness.transport.feed(OK)
    assert (heard.cut, heard.head) == (UPSTREAM_PROTOCOL, None)
    harness = ClientHarness(codec)
    heard = harness.ask(upgrade=b"websocket", multiplexed=True)
    harness.transport.feed(OK.replace(b"200 OK", b"403 No"))
    assert (heard.cut, heard.body, harness.kept) == (None, b"hello", True)


def _key_in(request: bytes) -> bytes:
    return request.partition(b"\r\nsec-websocket-key: ")[2].partition(b"\r\n")[0]


# --- time and back-pressure ------------------------------------------------------------------------------------


def an_endpoint_that_says_nothing_is_given_up(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.idle_limit = 30
    heard = harness.ask()
    harness.advance(29)
    harness.transport.feed(OK[:-1])
    harness.advance(29)
    assert heard.cut is None
    harness.advance(2)
    assert heard.cut is TIMEOUT
    assert harness.gone


def an_endpoint_that_is_held_back_may_say_nothing(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.idle_limit = 30
    heard = harness.ask()
    harness.transport.feed(OK[:-1])
    harness.connection.pause()
    assert harness.transport.reading_paused
    harness.advance(120)
    assert heard.cut is None
    harness.connection.resume()
    harness.transport.feed(OK[-1:])
    assert heard.ended
    assert harness.kept


def a_kept_connection_is_let_go_in_time(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask()
    harness.transport.feed(OK)
    harness.advance(59)
    assert harness.kept
    harness.advance(2)
    assert harness.gone


def sooner_where_the_endpoint_says_so(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.ask()
    harness.transport.feed(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=5, max=9\r\n\r\n"))
    harness.advance(3.5)
    assert harness.kept
    harness.advance(1)
    assert harness.gone


def tells_when_the_endpoint_is_slow_and_when_no_more(codec: Codec) -> None:
    harness = ClientHarness(codec)
    harness.transport.stall()
    heard = harness.ask(b"POST", data=b"x" * 70_000, length=100_000, end=False)
    assert heard.blocked
    harness.transport.take()
    assert not heard.blocked


CLIENT_CASES = tuple(
    case_of(check)
    for check in (
        sends_a_head,
        sends_a_body_of_known_length,
        sends_a_large_body_at_once,
        chunks_a_body_of_unknown_length,
        chunks_a_whole_body_of_unknown_length,
        passes_an_expectation_on,
        serves_one_after_the_other,
        a_head_request_has_no_body_in_its_answer,
        what_follows_an_answer_is_nobodys,
        what_comes_unasked_is_nobodys,
        a_body_without_length_ends_with_the_connection,
        an_answer_before_the_request_is_out_ends_the_connection,
        a_cut_in_the_answer_is_a_cut,
        a_reset_ends_no_body,
        a_close_without_an_answer_is_stale_only_on_a_kept_connection,
        a_reset_from_our_side_is_final,
        a_tunnel_to_an_endpoint_carries_bytes_as_they_are,
        a_refused_upgrade_keeps_the_connection,
        a_key_is_made_for_a_caller_without_one_and_its_answer_kept_to_itself,
        an_answer_to_another_key_is_refused,
        a_plain_answer_is_not_taken_for_a_tunnel,
        a_switch_to_another_protocol_is_refused,
        an_endpoint_that_says_nothing_is_given_up,
        an_endpoint_that_is_held_back_may_say_nothing,
        a_kept_connection_is_let_go_in_time,
        sooner_where_the_endpoint_says_so,
        tells_when_the_endpoint_is_slow_and_when_no_more,
    )
)
