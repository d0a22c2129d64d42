"""A service that has as many exchanges as it may have: who waits, who is sent away, and what becomes of those."""

import gc

import pytest

from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, RequestHead, ResponseHead
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import Cut
from minimesh.model.service import Breaker
from minimesh.testing import FakeServerStream, Play, Playbook, VirtualClock
from minimesh.testing.playbook import Caller
from minimesh.testing.upstreams import FakeOrigin, FakePool, FakeUpstream

ONE = Breaker(requests=1, waiting=1)


def sent_away(caller: Caller) -> str:
    """What a caller hears for whom there is no place in line either."""
    head = caller.stream.head
    assert head is not None
    assert (head.fields.get(b"x-minimesh-reason") or b"").startswith(b"overloaded; ")
    assert head.fields.get(b"retry-after") == b"1"
    return f"{caller.name} head 503 {caller.stream.body!r} end"


def counted(it: Playbook) -> tuple[int, int]:
    """Exchanges that are not over, and those of them that wait."""
    return it.upstream.admission.count, it.upstream.admission.waiting


def test_one_under_way_one_in_line_and_one_sent_away(play: Play) -> None:
    with play(kept=2, breaker=ONE) as it:
        second, third = it.another("second"), it.another("third")
        it >> it.caller.begins(target="/1") << "a1 head GET /1 end"
        it >> second.begins(target="/2")
        it >> third.begins(target="/3")
        it << sent_away(third)
        (record,) = it.records
        assert (record.status, record.reason, record.tries, record.endpoint) == (503, "overloaded", 0, "")
        assert record.detail == "1 requests are under way and 1 wait"
        it >> it.stream("a1").head(204, end=True) << "a2 head GET /2 end" << "caller head 204 end"
        it >> it.stream("a2").head(204, end=True) << "second head 204 end"
        assert counted(it) == (0, 0)
        assert it.origin.counters.reasons == {"overloaded": 1}
        assert it.origin.counters.requests == 3


def test_it_is_first_come_first_served(play: Play) -> None:
    with play(kept=9, breaker=Breaker(1, 2)) as it:
        second, third = it.another("second"), it.another("third")
        it >> it.caller.begins(target="/1") << "a1 head GET /1 end"
        it >> second.begins(target="/2")
        it >> third.begins(target="/3")
        it >> it.stream("a1").head(204, end=True) << "a2 head GET /2 end" << "caller head 204 end"
        it >> it.caller.begins(target="/4")
        it >> it.stream("a2").head(204, end=True) << "a3 head GET /3 end" << "second head 204 end"
        it >> it.stream("a3").head(204, end=True) << "a4 head GET /4 end" << "third head 204 end"
        it >> it.stream("a4").head(204, end=True) << "caller head 204 end"


def test_a_body_is_held_back_while_its_request_waits(play: Play) -> None:
    with play(kept=2, breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins() << "a1 head GET / end"
        it >> second.begins("POST", "/", b"one", end=False) << "second pause"
        it >> second.data(b"two")
        it >> it.stream("a1").head(204, end=True) << "second resume" << "a2 head POST / b'onetwo'"
        it << "caller head 204 end"
        it >> second.ends() << "a2 end"
        it >> it.stream("a2").head(204, end=True) << "second head 204 end"


def test_it_is_held_back_further_while_it_is_dialled_for(play: Play) -> None:
    with play(breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins() << "a dial"
        it >> second.begins("POST", "/", b"one", end=False) << "second pause"
        it >> it.caller.leaves() << "second resume" << "a dial" << "second pause"
        it >> it.dial("a", 1).succeeds() << "second resume" << "a1 head POST / b'one'"
        it >> second.ends() << "a1 end"
        it >> it.stream("a1").head(204, end=True) << "second head 204 end"


def test_who_leaves_the_line_is_not_asked_for(play: Play) -> None:
    with play(kept=2, breaker=Breaker(1, 2)) as it:
        second, third = it.another("second"), it.another("third")
        it >> it.caller.begins(target="/1") << "a1 head GET /1 end"
        it >> second.begins(target="/2")
        it >> third.begins(target="/3")
        it >> second.leaves()
        assert (it.record.cut, it.record.status, it.record.tries) == (Cut.CLIENT_GONE, 0, 0)
        assert counted(it) == (2, 1)
        it >> it.stream("a1").head(204, end=True) << "a2 head GET /3 end" << "caller head 204 end"
        it >> it.stream("a2").head(204, end=True) << "third head 204 end"


def test_the_deadline_counts_in_line(play: Play) -> None:
    with play(kept=2, timeout=2.0, breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.caller.waits(1.5)
        it >> second.begins("POST", "/", b"x", end=False) << "second pause"
        it >> second.waits(2.0)
        it << f"second head 504 {second.stream.body!r} end"
        assert (it.record.reason, it.record.tries) == ("timeout", 0)
        assert it.record.detail == "not whole after 2 s in line"
        assert counted(it) == (1, 0)
        it >> it.stream("a1").head(204, end=True) << "caller head 204 end"
        assert counted(it) == (0, 0)


def test_a_place_is_kept_while_it_is_tried_again(play: Play) -> None:
    with play(kept=1, breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins(target="/1") << "a1 head GET /1 end"
        it >> second.begins(target="/2")
        it.pools["a"].kept = 0
        if it.pools["a"].connection is not None:
            it.pools["a"].connection.going_away = True
        it >> it.stream("a1").cuts(Fate.STALE) << "a dial"
        it >> it.dial("a").fails() << "a dial"
        it >> it.dial("a", 1).succeeds() << "a2 head GET /1 end"
        it >> it.stream("a2").head(204, end=True) << "a dial" << "caller head 204 end"
        it >> it.dial("a", 2).succeeds() << "a3 head GET /2 end"
        it >> it.stream("a3").head(204, end=True) << "second head 204 end"


def test_a_tunnel_has_its_place_while_it_lives(play: Play) -> None:
    with play(kept=2, breaker=ONE) as it:
        second, third = it.another("second"), it.another("third")
        it >> it.caller.begins(upgrade="websocket") << "a1 head GET /"
        it >> second.begins(target="/2")
        it >> it.stream("a1").head(101, upgrade="websocket") << "caller head 101"
        it >> third.begins(target="/3")
        it << sent_away(third)
        it >> it.caller.data(b"bye") << "a1 data b'bye'"
        it >> it.caller.ends() << "a1 end"
        assert counted(it) == (2, 1)
        it >> it.stream("a1").ends() << "caller end" << "a1 reset" << "a2 head GET /2 end" << "caller over"
        it >> it.stream("a2").head(204, end=True) << "second head 204 end"
        assert counted(it) == (0, 0)


def test_an_upgrade_waits_too(play: Play) -> None:
    with play(kept=2, breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins() << "a1 head GET / end"
        it >> second.begins(upgrade="websocket")
        it >> it.stream("a1").head(204, end=True) << "second resume" << "a2 head GET /" << "caller head 204 end"
        it >> it.stream("a2").head(200, end=True) << "second head 200 end"


def test_all_are_answered_when_the_last_endpoint_goes(play: Play) -> None:
    with play(kept=1, breaker=Breaker(1, 2)) as it:
        second, third = it.another("second"), it.another("third")
        it >> it.caller.begins() << "a1 head GET / end"
        it >> second.begins()
        it >> third.begins()
        it.upstream.pools = ()
        it >> it.stream("a1").cuts()
        it << f"second head 503 {second.stream.body!r} end" << f"third head 503 {third.stream.body!r} end"
        it << f"caller head 502 {it.caller.stream.body!r} end"
        assert it.origin.counters.reasons == {"upstream_reset": 1, "no_endpoint": 2}
        assert counted(it) == (0, 0)


def test_other_numbers_let_the_line_in(play: Play) -> None:
    with play(kept=2, breaker=ONE) as it:
        second = it.another("second")
        it >> it.caller.begins(target="/1") << "a1 head GET /1 end"
        it >> second.begins(target="/2")
        it >> it.event("no limit", lambda: it.upstream.admission.apply(None)) << "a2 head GET /2 end"
        it >> it.stream("a2").head(204, end=True) << "second head 204 end"
        it >> it.stream("a1").head(204, end=True) << "caller head 204 end"
        assert counted(it) == (0, 0)


@pytest.mark.parametrize("number", [5_000])
def test_the_line_leaves_no_garbage(number: int) -> None:
    gc.collect()
    gc.disable()
    try:
        pool = FakePool("a", lambda line: None, kept=number)
        origin = FakeOrigin(VirtualClock(), FakeUpstream("orders", [pool], Breaker(1, number // 2)))
        for _ in range(number):
            server = FakeServerStream("caller", lambda line: None)
            server.exchange = exchange = Exchange(origin, server, RequestHead(b"GET", b"/", b"orders"))
            exchange.start(b"", True)
            server.exchange = None
        del server, exchange
        while pool.streams:
            stream = pool.streams.pop()
            ends, stream.exchange = stream.exchange, None
            assert ends is not None
            ends.response_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"hello", True)
        del ends, stream
        assert origin.ring.total == number
        assert gc.collect() == 0
    finally:
        gc.enable()
