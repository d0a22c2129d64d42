"""gRPC-Web between a caller and a service of gRPC: what each side sees."""

import base64
import gc

import pytest

from minimesh.dataplane.heads import UNKNOWN, Fields, OutgoingHead, RequestHead, ResponseHead
from minimesh.testing import Play, Playbook

MESSAGE = b"\0\0\0\0\x02hi"
LONGER = b"\0\0\0\0\x05hello"
GRPC = (b"content-type", b"application/grpc+proto")
DONE = Fields(((b"grpc-status", b"0"), (b"cost", b"7")))


def frame(text: bytes) -> bytes:
    return b"\x80" + len(text).to_bytes(4, "big") + text


def text_of(data: bytes) -> bytes:
    return base64.b64encode(data)


def web(kind: str = "application/grpc-web+proto", *more: tuple[bytes, bytes], length: int = UNKNOWN) -> RequestHead:
    fields = ((b"content-type", kind.encode()), (b"content-length", b"7"), (b"origin", b"http://shop.test"), *more)
    head = RequestHead(b"POST", b"/shop.Orders/Get", b"orders", Fields(fields), length)
    head.web = True
    return head


def play_to_grpc(play: Play, takes: bool | None = True) -> Playbook:
    it = play(kept=1)
    it.upstream.takes_grpc = takes
    return it


def answers(it: Playbook, data: bytes, *fields: tuple[bytes, bytes], end: bool = False, status: int = 200) -> None:
    exchange = it.stream("a1").stream.exchange
    assert exchange is not None
    if end:
        it.stream("a1").stream.exchange = None
    exchange.response_head(ResponseHead(status, Fields(fields or (GRPC,)), UNKNOWN), data, end)


def request_of(it: Playbook) -> OutgoingHead:
    request = it.stream("a1").stream.request
    assert request is not None
    return request


def pairs_of(it: Playbook) -> dict[bytes, bytes]:
    head = it.caller.stream.head
    assert head is not None
    return dict(head.fields.pairs)


def test_goes_out_as_grpc_and_its_trailers_come_as_a_frame(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        request = request_of(it)
        assert dict(request.fields.pairs) == {
            b"origin": b"http://shop.test",
            b"content-type": b"application/grpc+proto",
            b"te": b"trailers",
        }
        assert request.multiplexed
        it >> it.event("a1 head", lambda: answers(it, LONGER, GRPC, (b"served", b"1"))) << f"caller head 200 {LONGER!r}"
        assert pairs_of(it) == {b"served": b"1", b"content-type": b"application/grpc-web+proto"}
        status = frame(b"grpc-status: 0\r\ncost: 7\r\n")
        it >> it.stream("a1").ends(DONE) << f"caller data {status!r}" << "caller end"
        assert it.record.grpc_status == 0


@pytest.mark.parametrize(
    ("kind", "accept", "wants"),
    [
        ("application/grpc-web-text", b"", b"application/grpc-web-text+proto"),
        ("application/grpc-web-text", b"*/*", b"application/grpc-web-text+proto"),
        ("application/grpc-web-text", b"application/grpc-web", b"application/grpc-web+proto"),
        ("application/grpc-web+proto", b"application/grpc-web-text", b"application/grpc-web-text+proto"),
        ("Application/GRPC-Web; charset=utf-8", b"", b"application/grpc-web+proto"),
    ],
)
def test_either_direction_may_be_text(kind: str, accept: bytes, wants: bytes) -> None:
    sent, wanted = "text" in kind, b"text" in wants
    with play_to_grpc(Playbook) as it:
        head = web(kind, *([(b"accept", accept)] if accept else []))
        data = text_of(MESSAGE) if sent else MESSAGE
        it >> it.caller.begins(head=head, data=data, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        answer = text_of(LONGER) if wanted else LONGER
        it >> it.event("a1 head", lambda: answers(it, LONGER)) << f"caller head 200 {answer!r}"
        assert pairs_of(it)[b"content-type"] == wants
        status = frame(b"grpc-status: 0\r\ncost: 7\r\n")
        status = text_of(status) if wanted else status
        it >> it.stream("a1").ends(DONE) << f"caller data {status!r}" << "caller end"


def test_text_may_be_cut_anywhere_and_padded_in_between(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web("application/grpc-web-text"), data=b"AAA", end=False)
        it << "a1 head POST /shop.Orders/Get"
        it >> it.caller.data(b"AAAJoaQ=") << r"a1 data b'\x00\x00\x00\x00\x02h'"
        it >> it.caller.data(b"=") << "a1 data b'i'"
        it >> it.caller.data(text_of(MESSAGE)) << f"a1 data {MESSAGE!r}"
        it >> it.caller.ends() << "a1 end"
        it >> it.event("a1 head", lambda: answers(it, b"", GRPC, (b"grpc-status", b"0"), end=True))
        says(it, text_of(frame(b"grpc-status: 0\r\n")))


def says(it: Playbook, body: bytes) -> None:
    """An answer without messages: all of it at once, with its length."""
    it << f"caller head 200 {body!r} end"
    assert pairs_of(it)[b"content-length"] == b"%d" % len(body)


def told(it: Playbook) -> dict[str, str]:
    """The status that such an answer has, whatever it is."""
    body = it.caller.stream.body
    says(it, body)
    assert body[:5] == b"\x80" + (len(body) - 5).to_bytes(4, "big")
    return dict(line.split(": ", 1) for line in body[5:].decode().split("\r\n") if line)


@pytest.mark.parametrize("text", [b"A*A=", b"AAAAA", b"AAA=A==="])
def test_what_is_no_base64_is_refused(play: Play, text: bytes) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web("application/grpc-web-text", (b"accept", b"application/grpc-web")), end=False)
        it << "a1 head POST /shop.Orders/Get"
        it >> it.caller.data(b"AAAA") << r"a1 data b'\x00\x00\x00'"
        exchange = it.caller.exchange
        assert exchange is not None
        it >> it.event("text", lambda: exchange.request_data(text[:4]))
        if it.caller.stream.body:
            it << "a1 reset"
        else:
            it << (r"a1 data b'\x00\x00\x00'" if text == b"AAAAA" else r"a1 data b'\x00\x00'")
            it >> it.caller.data(text[4:])
            if len(text) < 8:
                it >> it.caller.ends()
            it << "a1 reset"
        status = told(it)
        assert status["grpc-status"] == "13"
        assert "not base64" in status["grpc-message"]


def test_a_whole_body_that_is_cut_short_is_refused(play: Play) -> None:
    with play_to_grpc(play) as it:
        head = web("application/grpc-web-text", (b"accept", b"application/grpc-web"))
        it >> it.caller.begins(head=head, data=b"AAAAA", end=True)
        it << r"a1 head POST /shop.Orders/Get b'\x00\x00\x00'" << "a1 reset"
        assert "four characters" in told(it)["grpc-message"]


def test_trailers_alone_become_the_body(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        fields = (GRPC, (b"grpc-status", b"5"), (b"grpc-message", b"no%20such"), (b"why", b"sold"))
        it >> it.event("a1 trailers", lambda: answers(it, b"", *fields, end=True))
        says(it, frame(b"grpc-status: 5\r\ngrpc-message: no%20such\r\n"))
        assert pairs_of(it)[b"why"] == b"sold"
        assert b"grpc-status" not in pairs_of(it)
        assert it.record.grpc_status == 5


def test_a_missing_status_is_unknown(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        it >> it.event("a1 head", lambda: answers(it, b"")) << "caller head 200"
        status = frame(b"grpc-status: 2\r\n")
        it >> it.stream("a1").ends() << f"caller data {status!r}" << "caller end"
        assert it.record.grpc_status == 2


def test_an_answer_that_is_not_grpc_is_told_as_a_status(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        page = (b"content-type", b"text/html")
        it >> it.event("a1 page", lambda: answers(it, b"<html>", page, status=404))
        body = it.caller.stream.body
        it << f"caller head 200 {body!r}"
        assert b"grpc-status: 12\r\ngrpc-message: the service answered with HTTP status 404" in body
        it >> it.stream("a1").data(b"</html>")
        it >> it.stream("a1").ends() << "caller end"


def test_the_mesh_answers_in_kind() -> None:
    with Playbook(routed=False) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True)
        status = told(it)
        assert status["grpc-status"] == "12"
        assert pairs_of(it)[b"x-minimesh-reason"].startswith(b"no_route;")


def test_a_deadline_of_the_caller_is_kept(play: Play) -> None:
    with play_to_grpc(play) as it:
        head = web("application/grpc-web+proto", (b"grpc-timeout", b"250m"))
        it >> it.caller.begins(head=head, data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        it >> it.caller.waits(0.3) << "a1 reset"
        assert told(it)["grpc-status"] == "4"
        assert it.record.reason == "timeout"


def test_a_cut_answer_is_no_end(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        it >> it.event("a1 head", lambda: answers(it, LONGER)) << f"caller head 200 {LONGER!r}"
        it >> it.stream("a1").cuts() << "caller reset"


def test_a_caller_that_leaves_cancels(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        it >> it.caller.leaves() << "a1 reset"


def test_presses_back_both_ways(play: Play) -> None:
    with play_to_grpc(play) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=False) << f"a1 head POST /shop.Orders/Get {MESSAGE!r}"
        it >> it.stream("a1").blocks() << "caller pause"
        it >> it.stream("a1").unblocks() << "caller resume"
        it >> it.caller.blocks() << "a1 pause"
        it >> it.caller.unblocks() << "a1 resume"
        it >> it.caller.leaves() << "a1 reset"


def test_where_grpc_is_not_spoken_it_passes_as_it_is(play: Play) -> None:
    with play_to_grpc(play, takes=False) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        assert dict(request_of(it).fields.pairs)[b"content-type"] == b"application/grpc-web+proto"
        it >> it.stream("a1").head(200, b"own", end=True) << "caller head 200 b'own' end"


@pytest.mark.parametrize("takes", [True, False, None])
def test_waits_until_it_is_known_what_is_spoken(play: Play, takes: bool | None) -> None:
    """Where it stays unknown nothing answers, and that is told in kind."""
    with play_to_grpc(play, takes=None) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=False) << "caller pause"
        it >> it.caller.data(MESSAGE)
        it >> it.caller.ends()
        it.upstream.takes_grpc = takes
        it >> it.event("it is known", it.upstream.curious[0])
        it << f"a1 head POST /shop.Orders/Get {MESSAGE + MESSAGE!r} end"
        kind = dict(request_of(it).fields.pairs)[b"content-type"]
        assert kind == (b"application/grpc-web+proto" if takes is False else b"application/grpc+proto")
        it >> it.caller.leaves() << "a1 reset"


def test_nothing_is_sent_for_a_caller_that_left_before_it_was_known(play: Play) -> None:
    with play_to_grpc(play, takes=None) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True)
        it >> it.caller.leaves()
        it >> it.event("it is known", it.upstream.curious[0])
        assert it.records == ()


def test_one_decision_serves_a_head_that_comes_again(play: Play) -> None:
    head = web()
    with play(kept=2) as it:
        it.upstream.takes_grpc = True
        for number in (1, 2):
            caller = it.another(f"caller{number}")
            it >> caller.begins(head=head, data=MESSAGE, end=True)
            it << f"a{number} head POST /shop.Orders/Get {MESSAGE!r} end"
            it >> caller.leaves() << f"a{number} reset"
        assert it.origin.planned == 1


def test_leaves_no_garbage() -> None:
    with play_to_grpc(Playbook) as it:
        it >> it.caller.begins(head=web(), data=MESSAGE, end=True) << f"a1 head POST /shop.Orders/Get {MESSAGE!r} end"
        gc.collect()
        it >> it.event("a1 head", lambda: answers(it, LONGER)) << f"caller head 200 {LONGER!r}"
        status = frame(b"grpc-status: 0\r\ncost: 7\r\n")
        it >> it.stream("a1").ends(DONE) << f"caller data {status!r}" << "caller end"
        it.caller.stream.exchange = it.caller.exchange = it.stream("a1").stream.exchange = None
        assert gc.collect() == 0
