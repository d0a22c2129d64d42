"""What goes wrong on the way, what is tried again, and who answers instead."""

import json

import pytest

from minimesh.dataplane.streams import Fate
from minimesh.model.reason import (
    BAD_REQUEST,
    CLIENT_TIMEOUT,
    CONNECT_TIMEOUT,
    OUT_OF_DESCRIPTORS,
    TIMEOUT,
    UPSTREAM_PROTOCOL,
    UPSTREAM_REFUSED,
    Cut,
    Reason,
)
from minimesh.policy.resend import KEPT_BODY
from minimesh.testing import Play, Playbook


def made_answer(it: Playbook) -> dict[str, object]:
    """The problem document that the mesh answered with, checked against the record."""
    head = it.caller.stream.head
    assert head is not None
    problem: dict[str, object] = json.loads(it.caller.stream.body)
    assert problem["status"] == head.status == it.record.status
    assert problem["reason"] == it.record.reason
    assert problem["id"] == it.record.id
    assert (head.fields.get(b"x-minimesh-reason") or b"").startswith(it.record.reason.encode())
    assert head.fields.get(b"content-length") == str(len(it.caller.stream.body)).encode()
    assert it.record.bytes_out == len(it.caller.stream.body)
    return problem


def answered(it: Playbook, reason: Reason) -> str:
    """The line for a mesh-made answer with that reason."""
    return f"caller head {reason.status} {it.caller.stream.body!r} end"


def test_dials_when_nothing_is_kept(play: Play) -> None:
    with play() as it:
        it >> it.caller.begins("POST", "/", b"whole") << "a dial"
        it >> it.dial("a").succeeds() << "a1 head POST / b'whole' end"
        it >> it.stream("a1").head(204, end=True) << "caller head 204 end"
        assert it.record.tries == 1


def test_holds_the_body_back_while_dialling(play: Play) -> None:
    with play() as it:
        it >> it.caller.begins("POST", "/", b"one", end=False) << "a dial" << "caller pause"
        it >> it.caller.data(b"two")
        it >> it.dial("a").succeeds() << "caller resume" << "a1 head POST / b'onetwo'"
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").head(204, end=True) << "caller head 204 end"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_dial_is_tried_once_more_elsewhere(play: Play, method: str) -> None:
    with play(endpoints="ab") as it:
        it >> it.caller.begins(method, "/") << "a dial"
        it >> it.dial("a").fails() << "b dial"
        it >> it.dial("b").succeeds() << f"b1 head {method} / end"
        it >> it.stream("b1").head(200, end=True) << "caller head 200 end"
        assert (it.record.tries, it.record.endpoint) == (2, "b")
        assert it.origin.counters.retries == 1


def test_a_kept_body_goes_to_the_second_endpoint(play: Play) -> None:
    with play(endpoints="ab") as it:
        it >> it.caller.begins("POST", "/", b"one", end=False) << "a dial" << "caller pause"
        it >> it.dial("a").fails() << "caller resume" << "b dial" << "caller pause"
        it >> it.dial("b").succeeds() << "caller resume" << "b1 head POST / b'one'"
        it >> it.caller.ends() << "b1 end"
        it >> it.stream("b1").head(200, end=True) << "caller head 200 end"


def test_who_was_held_back_goes_on_where_a_connection_is_kept(play: Play) -> None:
    with play(endpoints="ab") as it:
        it >> it.caller.begins("POST", "/", b"one", end=False) << "a dial" << "caller pause"
        it.pools["b"].kept = 1
        it >> it.dial("a").fails() << "caller resume" << "b1 head POST / b'one'"
        it >> it.caller.data(b"two") << "b1 data b'two'"
        it >> it.caller.ends() << "b1 end"
        it >> it.stream("b1").head(200, end=True) << "caller head 200 end"


@pytest.mark.parametrize("reason", [UPSTREAM_REFUSED, OUT_OF_DESCRIPTORS])
def test_two_refused_dials_are_enough(play: Play, reason: Reason) -> None:
    with play() as it:
        it >> it.caller.begins() << "a dial"
        it >> it.dial("a").fails(reason) << "a dial"
        it >> it.dial("a", 1).fails(reason)
        it << answered(it, reason)
        assert made_answer(it)["reason"] == reason.code
        assert (it.record.tries, it.record.cut) == (2, "")
        assert it.origin.counters.reasons == {reason.code: 1}


def test_who_did_not_accept_in_time_is_not_waited_for_twice(play: Play) -> None:
    with play() as it:
        it >> it.caller.begins() << "a dial"
        it >> it.dial("a").fails(CONNECT_TIMEOUT)
        it << answered(it, CONNECT_TIMEOUT)
        assert it.record.tries == 1
    with play(endpoints="ab") as it:
        it >> it.caller.begins() << "a dial"
        it >> it.dial("a").fails(CONNECT_TIMEOUT) << "b dial"
        it >> it.dial("b").fails(CONNECT_TIMEOUT)
        it << answered(it, CONNECT_TIMEOUT)
        assert it.record.tries == 2


def test_no_endpoint(play: Play) -> None:
    with play(endpoints="") as it:
        it >> it.caller.begins()
        it << f"caller head 503 {it.caller.stream.body!r} end"
        assert made_answer(it)["reason"] == "no_endpoint"
        assert (it.record.tries, it.record.endpoint, it.record.destination) == (0, "", "orders")


def test_no_route(play: Play) -> None:
    with play(routed=False) as it:
        it >> it.caller.begins("POST", "/nowhere", b"x", end=False)
        it << f"caller head 404 {it.caller.stream.body!r} end"
        assert made_answer(it)["reason"] == "no_route"
        assert (it.record.destination, it.record.route, it.origin.unrouted.requests) == ("", "-", 1)
        assert it.origin.counters.requests == 0


def test_a_made_answer_to_head_has_no_body(play: Play) -> None:
    with play(routed=False) as it:
        it >> it.caller.begins("HEAD", "/") << "caller head 404 end"
    head = it.caller.stream.head
    assert head is not None
    assert head.length == 0
    assert head.fields.get(b"content-length") not in (None, b"0")


@pytest.mark.parametrize("loopback", [True, False])
def test_details_stay_on_this_machine(play: Play, loopback: bool) -> None:
    with play(endpoints="", loopback=loopback) as it:
        it >> it.caller.begins()
        it << f"caller head 503 {it.caller.stream.body!r} end"
        problem = made_answer(it)
    assert ("detail" in problem) is ("fault" in problem) is loopback


@pytest.mark.parametrize(
    ("method", "resent"), [("GET", True), ("PUT", True), ("DELETE", True), ("POST", False), ("PATCH", False)]
)
def test_a_stale_connection_is_nobodys_fault_where_it_is_safe(play: Play, method: str, resent: bool) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins(method, "/") << f"a1 head {method} / end"
        it >> it.stream("a1").cuts(Fate.STALE)
        if resent:
            it << f"b1 head {method} / end"
            it >> it.stream("b1").head(200, end=True) << "caller head 200 end"
            assert (it.record.status, it.record.tries, it.record.reason) == (200, 1, "")
            assert it.origin.counters.retries == 0
        else:
            it << f"caller head 502 {it.caller.stream.body!r} end"
            assert made_answer(it)["reason"] == "upstream_reset"


def test_two_stale_connections_then_a_fresh_one_then_no_more(play: Play) -> None:
    with play(endpoints="abc", kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").cuts(Fate.STALE) << "b1 head GET / end"
        it >> it.stream("b1").cuts(Fate.STALE) << "c dial"
        it >> it.dial("c").succeeds() << "c1 head GET / end"
        it >> it.stream("c1").cuts(Fate.UNKNOWN)
        it << f"caller head 502 {it.caller.stream.body!r} end"


def test_a_stale_upload_is_sent_again_from_its_beginning(play: Play) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins("PUT", "/", b"one", end=False) << "a1 head PUT / b'one'"
        it >> it.caller.data(b"two") << "a1 data b'two'"
        it >> it.stream("a1").cuts(Fate.STALE) << "b1 head PUT / b'onetwo'"
        it >> it.caller.data(b"three") << "b1 data b'three'"
        it >> it.caller.ends() << "b1 end"
        it >> it.stream("b1").head(200, end=True) << "caller head 200 end"
        assert it.record.bytes_in == 11


@pytest.mark.parametrize(("size", "resent"), [(KEPT_BODY, True), (KEPT_BODY + 1, False)])
@pytest.mark.parametrize("pieces", [1, 2])
def test_an_upload_is_kept_up_to_a_bound(play: Play, size: int, pieces: int, resent: bool) -> None:
    first, second = (b"x" * size, b"") if pieces == 1 else (b"x" * (size - 1), b"y")
    with play(endpoints="ab", kept=1, windows=1_000_000) as it:
        it >> it.caller.begins("PUT", "/", first, end=False) << f"a1 head PUT / {first!r}"
        if second:
            it >> it.caller.data(second) << f"a1 data {second!r}"
        it >> it.stream("a1").cuts(Fate.STALE)
        if resent:
            it << f"b1 head PUT / {first + second!r}"
            it >> it.caller.leaves() << "b1 reset"
        else:
            it << f"caller head 502 {it.caller.stream.body!r} end"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_surely_not_processed_is_sent_again(play: Play, method: str) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins(method, "/", b"b") << f"a1 head {method} / b'b' end"
        it >> it.stream("a1").cuts(Fate.UNPROCESSED) << f"b1 head {method} / b'b' end"
        it >> it.stream("b1").head(200, end=True) << "caller head 200 end"
        assert it.record.tries == 2


def test_but_only_once(play: Play) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").cuts(Fate.UNPROCESSED) << "b1 head GET / end"
        it >> it.stream("b1").cuts(Fate.UNPROCESSED)
        it << f"caller head 502 {it.caller.stream.body!r} end"


@pytest.mark.parametrize("reason", [UPSTREAM_PROTOCOL, TIMEOUT])
def test_what_may_have_been_processed_is_not(play: Play, reason: Reason) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").cuts(Fate.UNKNOWN, reason)
        it << answered(it, reason)
        assert made_answer(it)["reason"] == reason.code


def test_the_endpoint_is_cut_in_the_middle_of_its_answer(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").head(200, b"half") << "caller head 200 b'half'"
        it >> it.stream("a1").cuts() << "caller reset"
        assert (it.record.status, it.record.cut, it.record.bytes_out) == (200, Cut.UPSTREAM_CUT, 4)
        assert it.origin.counters.reasons == {Cut.UPSTREAM_CUT: 1}


def test_nothing_is_sent_again_once_the_head_is_out(play: Play) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").head(200) << "caller head 200"
        it >> it.stream("a1").cuts(Fate.UNPROCESSED) << "caller reset"


def test_the_deadline_passes_before_the_head(play: Play) -> None:
    with play(kept=1, timeout=0.5) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.caller.waits(0.5) << "a1 reset"
        it << f"caller head 504 {it.caller.stream.body!r} end"
        assert made_answer(it)["reason"] == "timeout"
        assert it.record.duration == pytest.approx(0.5)


def test_the_deadline_passes_while_dialling(play: Play) -> None:
    with play(timeout=0.5) as it:
        it >> it.caller.begins() << "a dial"
        it >> it.caller.waits(0.5)
        it << f"caller head 504 {it.caller.stream.body!r} end"
        it >> it.dial("a").succeeds()
        assert len(it.records) == 1


def test_the_deadline_passes_in_the_answer(play: Play) -> None:
    with play(kept=1, timeout=0.5) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").head(200, b"x") << "caller head 200 b'x'"
        it >> it.caller.waits(0.5) << "a1 reset" << "caller reset"
        assert (it.record.status, it.record.cut) == (200, Cut.TIMED_OUT)


def test_no_deadline_no_timer(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        assert it.caller.stream.due is None
        it >> it.caller.leaves() << "a1 reset"


@pytest.mark.parametrize(("reason", "cut"), [(BAD_REQUEST, Cut.CLIENT_GONE), (CLIENT_TIMEOUT, Cut.SLOW_BODY)])
def test_the_callers_body_is_no_good(play: Play, reason: Reason, cut: Cut) -> None:
    """Before the answer's head the mesh can still say so; after it, only cut."""
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", length=9, end=False) << "a1 head POST /"
        it >> it.caller.spoils(reason) << "a1 reset"
        it << answered(it, reason)
        assert made_answer(it)["reason"] == reason.code
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", length=9, end=False) << "a1 head POST /"
        it >> it.stream("a1").head(200) << "caller head 200"
        it >> it.caller.spoils(reason) << "a1 reset" << "caller reset"
        assert it.record.cut == cut
