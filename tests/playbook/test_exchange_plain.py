"""A request, its answer, and what is left of both."""

import pytest

from minimesh.dataplane.heads import NO_FIELDS, Fields, RequestHead
from minimesh.model.reason import Cut
from minimesh.testing import Play

TRAILERS = Fields(((b"checksum", b"42"),))


def test_goes_out_and_comes_back(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("GET", "/orders?id=7") << "a1 head GET /orders?id=7 end"
        it.clock.advance(0.25)
        it >> it.stream("a1").head(200, b"hello", end=True) << "caller head 200 b'hello' end"
        record = it.record
    assert (record.status, record.reason, record.cut, record.tries, record.endpoint) == (200, "", "", 1, "a")
    assert (record.source, record.destination, record.route, record.listener) == (
        "web",
        "orders",
        "/*",
        "web->orders",
    )
    assert (record.method, record.host, record.target) == ("GET", "orders", "/orders?id=7")
    assert (record.bytes_in, record.bytes_out) == (0, 5)
    assert record.duration == pytest.approx(0.25)
    assert record.first_byte == pytest.approx(0.25)
    assert record.protocol == it.caller.stream.protocol


def test_counts_on_the_route(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"four") << "a1 head POST / b'four' end"
        it >> it.stream("a1").head(503, b"no", end=True) << "caller head 503 b'no' end"
    counters = it.origin.counters
    assert (counters.requests, counters.classes[5], sum(counters.classes)) == (1, 1, 1)
    assert (counters.bytes_in, counters.bytes_out, counters.retries, sum(counters.latency)) == (4, 2, 0, 1)
    assert counters.reasons == {}
    assert it.origin.unrouted.requests == 0


def test_streams_both_ways(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"one", end=False) << "a1 head POST / b'one'"
        it >> it.caller.data(b"two") << "a1 data b'two'"
        it >> it.stream("a1").head(200, b"early") << "caller head 200 b'early'"
        it >> it.caller.data(b"three") << "a1 data b'three'"
        it >> it.stream("a1").data(b"more") << "caller data b'more'"
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").ends() << "caller end"
        assert (it.record.bytes_in, it.record.bytes_out) == (11, 9)


def test_trailers_pass_both_ways(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"x", end=False) << "a1 head POST / b'x'"
        it >> it.caller.ends(TRAILERS) << "a1 end trailers checksum=42"
        it >> it.stream("a1").head(200) << "caller head 200"
        it >> it.stream("a1").ends(TRAILERS) << "caller end trailers checksum=42"


def test_trailers_wait_for_the_dial(play: Play) -> None:
    with play() as it:
        it >> it.caller.begins("POST", "/", b"x", end=False) << "a dial" << "caller pause"
        it >> it.caller.ends(TRAILERS)
        it >> it.dial("a").succeeds() << "a1 head POST / b'x'" << "a1 end trailers checksum=42"
        it >> it.stream("a1").head(204, end=True) << "caller head 204 end"


def test_interim_answers_pass(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", length=3, end=False, expects_continue=True) << "a1 head POST /"
        it >> it.stream("a1").informational(100) << "caller informational 100"
        it >> it.stream("a1").informational(103) << "caller informational 103"
        it >> it.caller.data(b"abc") << "a1 data b'abc'"
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").head(201, end=True) << "caller head 201 end"


def test_a_continue_that_nobody_asked_for_stays_here(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").informational(100)
        it >> it.stream("a1").head(200, end=True) << "caller head 200 end"


def test_an_early_answer_gives_the_rest_of_the_request_up(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"x", end=False) << "a1 head POST / b'x'"
        it >> it.stream("a1").head(413, end=True) << "a1 reset" << "caller head 413 end"
        assert (it.record.status, it.record.cut) == (413, "")


def test_an_early_answer_in_two_parts_does_too(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"x", end=False) << "a1 head POST / b'x'"
        it >> it.stream("a1").head(413, b"too") << "caller head 413 b'too'"
        it >> it.stream("a1").ends() << "a1 reset" << "caller end"


def test_the_plan_is_kept_with_the_head_until_the_routes_change(play: Play) -> None:
    head = RequestHead(b"GET", b"/", b"orders", NO_FIELDS)
    with play(kept=3) as it:
        for name, planned in (("a1", 1), ("a2", 1), ("a3", 2)):
            if name == "a3":
                it.origin.router = object()
            it >> it.caller.begins(head=head) << f"{name} head GET / end"
            it >> it.stream(name).head(200, end=True) << "caller head 200 end"
            assert it.origin.planned == planned


@pytest.mark.parametrize(
    ("incoming", "same_trace"),
    [(b"", False), (b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", True)],
    ids=["made", "continued"],
)
def test_trace_and_request_id(play: Play, incoming: bytes, same_trace: bool) -> None:
    head = RequestHead(b"GET", b"/", b"orders", NO_FIELDS, traceparent=incoming)
    with play(kept=1) as it:
        it >> it.caller.begins(head=head) << "a1 head GET / end"
        it >> it.stream("a1").head(200, end=True) << "caller head 200 end"
        sent = it.stream("a1").stream.traceparent
        assert (sent[:36] == incoming[:36]) is same_trace
        assert sent[36:52] != incoming[36:52]
        assert it.record.trace_id == sent[3:35].decode()
        assert it.record.id == sent[36:52].decode()
        assert it.record.request_id == it.stream("a1").stream.request_id.decode() == it.record.trace_id


def test_a_request_id_that_came_is_kept(play: Play) -> None:
    head = RequestHead(b"GET", b"/", b"orders", NO_FIELDS, request_id=b"mine")
    with play(kept=1) as it:
        it >> it.caller.begins(head=head) << "a1 head GET / end"
        it >> it.stream("a1").head(200, end=True) << "caller head 200 end"
        assert it.stream("a1").stream.request_id == b"mine"
        assert it.record.request_id == "mine"


@pytest.mark.parametrize("cut", [Cut.CLIENT_GONE, Cut.SLOW_READER])
def test_the_caller_leaves_at_each_step(play: Play, cut: Cut) -> None:
    """Before the dial ends, before the head, and in the middle of the answer."""
    with play() as it:
        it >> it.caller.begins() << "a dial"
        it >> it.caller.leaves(cut)
        it >> it.dial("a").succeeds()
        assert (it.record.status, it.record.cut, it.record.first_byte) == (0, cut.value, 0.0)
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.caller.leaves(cut) << "a1 reset"
        assert (it.record.status, it.record.cut) == (0, cut.value)
        assert it.origin.counters.reasons == {cut.value: 1}
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").head(200, b"x") << "caller head 200 b'x'"
        it >> it.caller.leaves(cut) << "a1 reset"
        assert (it.record.status, it.record.cut, it.record.bytes_out) == (200, cut.value, 1)
