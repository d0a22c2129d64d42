"""A request at the gates of its route: let pass, changed, turned away, answered, held until a gate knows."""

from collections.abc import Callable

import pytest

from minimesh.dataplane.gates import WAIT, Asked, Refusal, Reply, Verdict, Wait
from minimesh.dataplane.heads import Fields, RequestHead
from minimesh.model.reason import Fault, Reason
from minimesh.model.service import Breaker
from minimesh.testing.playbook import Playbook

FORBIDDEN = Reason("forbidden", 403, "{service} may not be asked for that", Fault.CLIENT)
PREFLIGHT = Reason("preflight", 204, "a question before the request", Fault.CLIENT)
NO = Refusal(FORBIDDEN, "no rule lets web in", "minimesh.toml:12", ((b"www-authenticate", b"Bearer"),))


class Says:
    """A gate that has an opinion, and may do something first."""

    def __init__(self, verdict: Verdict | Wait = None, first: Callable[[Asked], None] = lambda asked: None) -> None:
        self.verdict = verdict
        self.first = first
        self.asked: list[Asked] = []

    def ask(self, asked: Asked) -> Verdict | Wait:
        self.asked.append(asked)
        self.first(asked)
        return self.verdict


def left(play: Playbook) -> int:
    return play.upstream.admission.count


def test_gates_are_asked_in_turn_and_hand_on_what_they_found() -> None:
    def finds(asked: Asked) -> None:
        asked.claims = {"plan": "paid"}

    first, second = Says(first=finds), Says()
    with Playbook(kept=1, gates=(first, second)) as play:
        play >> play.caller.begins() << "a1 head GET / end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    assert second.asked[0].claims == {"plan": "paid"}
    assert second.asked[0].caller.identity.service == "web"
    assert (play.record.status, play.record.reason, left(play)) == (204, "", 0)


def test_a_refusal_says_where_it_comes_from() -> None:
    last = Says()
    with Playbook(kept=1, gates=(Says(NO), last)) as play:
        play >> play.caller.begins("POST", "/", b"{}")
        body = play.caller.stream.body
        play << f"caller head 403 {body!r} end"
    assert not last.asked
    assert b'"where": "minimesh.toml:12"' in body
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"www-authenticate") == b"Bearer"
    assert (play.record.reason, play.record.detail) == ("forbidden", "no rule lets web in, minimesh.toml:12")
    assert (play.record.tries, left(play)) == (0, 0)


def test_a_stranger_does_not_hear_of_lines() -> None:
    with Playbook(kept=1, gates=(Says(NO),), loopback=False) as play:
        play >> play.caller.begins()
        play << f"caller head 403 {play.caller.stream.body!r} end"
    assert b"minimesh.toml" not in play.caller.stream.body


def test_a_call_of_grpc_gets_its_status() -> None:
    head = RequestHead(b"POST", b"/shop.Orders/List", b"orders", Fields(()), 0)
    head.grpc = True
    with Playbook(kept=1, gates=(Says(NO),)) as play:
        play >> play.caller.begins(head=head) << "caller head 200 end"
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"grpc-status") == b"7"
    assert (play.record.status, play.record.grpc_status) == (200, 7)


def test_a_gate_answers_itself() -> None:
    reply = Reply(PREFLIGHT, 204, ((b"access-control-allow-origin", b"https://shop.test"),))
    with Playbook(kept=1, gates=(Says(reply),)) as play:
        play >> play.caller.begins("OPTIONS") << "caller head 204 end"
    assert play.caller.stream.head is not None
    assert (play.caller.stream.head.fields.get(b"x-minimesh-reason") or b"").startswith(b"preflight; id=")
    assert (play.record.status, play.record.reason, left(play)) == (204, "preflight", 0)


def test_fields_are_added_both_ways_and_those_of_outside_are_not_believed() -> None:
    def adds(asked: Asked) -> None:
        asked.added.append((b"x-user", b"ann"))
        asked.removed.add(b"x-api-key")
        asked.answered.append((b"vary", b"origin"))

    head = RequestHead(b"GET", b"/", b"orders", Fields(((b"x-user", b"root"), (b"x-api-key", b"k"), (b"a", b"b"))))
    with Playbook(kept=1, gates=(Says(first=adds),)) as play:
        play >> play.caller.begins(head=head) << "a1 head GET / end"
        play >> play.stream("a1").head(200, b"x", end=True) << "caller head 200 b'x' end"
    sent = play.pools["a"].streams[0].request
    assert sent is not None
    assert sent.fields.pairs == ((b"a", b"b"), (b"x-user", b"ann"))
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"vary") == b"origin"


def test_what_a_gate_adds_is_on_the_answers_of_the_mesh_too() -> None:
    def adds(asked: Asked) -> None:
        asked.answered.append((b"vary", b"origin"))

    with Playbook(endpoints="", gates=(Says(first=adds),)) as play:
        play >> play.caller.begins()
        play << f"caller head 503 {play.caller.stream.body!r} end"
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"vary") == b"origin"


def test_the_caller_is_held_back_until_the_gate_knows() -> None:
    gate = Says(WAIT)
    with Playbook(kept=1, gates=(gate,)) as play:
        play >> play.caller.begins("POST", "/", b"ab", end=False) << "caller pause"
        play >> play.caller.data(b"cd")
        play >> play.event("the gate knows", lambda: gate.asked[0].go_on(None))
        play << "caller resume" << "a1 head POST / b'abcd'"
        play >> play.caller.ends() << "a1 end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    assert left(play) == 0


def test_a_gate_that_knows_better_later_refuses() -> None:
    gate, last = Says(WAIT), Says()
    with Playbook(kept=1, gates=(gate, last)) as play:
        play >> play.caller.begins()
        play >> play.event("the gate knows", lambda: gate.asked[0].go_on(NO))
        play << f"caller head 403 {play.caller.stream.body!r} end"
        play >> play.event("and says it again", lambda: gate.asked[0].go_on(None))
    assert not last.asked
    assert left(play) == 0


@pytest.mark.parametrize("how", ["leaves", "too late"])
def test_who_waits_at_a_gate_is_forgotten_when_its_exchange_ends(how: str) -> None:
    given_up: list[str] = []

    def asks_somebody(asked: Asked) -> None:
        asked.on_leave = lambda: given_up.append(how)

    gate = Says(WAIT, asks_somebody)
    with Playbook(kept=1, gates=(gate,), timeout=2.0) as play:
        play >> play.caller.begins()
        assert play.caller.exchange is not None
        assert play.caller.exchange.in_line
        if how == "leaves":
            play >> play.caller.leaves()
        else:
            play >> play.caller.waits(2.5)
            play << f"caller head 504 {play.caller.stream.body!r} end"
        play >> play.event("the gate knows", lambda: gate.asked[0].go_on(None))
    assert given_up == [how]
    assert left(play) == 0


def test_behind_the_gates_is_the_line() -> None:
    gate = Says(WAIT)
    with Playbook(kept=2, gates=(gate,), breaker=Breaker(requests=1, waiting=1)) as play:
        other, third = play.another("other"), play.another("third")
        play >> play.caller.begins()
        play >> other.begins()
        play >> third.begins()
        play >> play.event("one passes", lambda: gate.asked[0].go_on(None)) << "a1 head GET / end"
        play >> play.event("one waits", lambda: gate.asked[1].go_on(None))
        play >> play.event("one is too many", lambda: gate.asked[2].go_on(None))
        play << f"third head 503 {third.stream.body!r} end"
        play >> play.stream("a1").head(204, end=True) << "a2 head GET / end" << "caller head 204 end"
        play >> play.stream("a2").head(204, end=True) << "other head 204 end"
    assert left(play) == 0
