"""A 101 makes of the exchange a tunnel: bytes as they are, each side ended on its own."""

from minimesh.dataplane.streams import Fate
from minimesh.model.reason import Cut
from minimesh.testing import Play, Playbook


def opened(play: Play) -> Playbook:
    it = play(kept=1)
    it.__enter__()
    it >> it.caller.begins("GET", "/chat", upgrade="websocket") << "a1 head GET /chat"
    it >> it.stream("a1").head(101, b"hi", upgrade="websocket") << "caller head 101 b'hi'"
    it >> it.caller.data(b"ping") << "a1 data b'ping'"
    it >> it.stream("a1").data(b"pong") << "caller data b'pong'"
    return it


def test_the_caller_ends_first(play: Play) -> None:
    with opened(play) as it:
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").data(b"last") << "caller data b'last'"
        it >> it.stream("a1").ends() << "caller end" << "a1 reset" << "caller over"
        assert (it.record.status, it.record.cut, it.record.bytes_in, it.record.bytes_out) == (101, "", 4, 10)


def test_the_endpoint_ends_first(play: Play) -> None:
    with opened(play) as it:
        it >> it.stream("a1").ends() << "caller end"
        it >> it.caller.data(b"last") << "a1 data b'last'"
        it >> it.caller.ends() << "a1 end" << "a1 reset" << "caller over"
        assert (it.record.status, it.record.cut) == (101, "")


def test_the_caller_goes(play: Play) -> None:
    with opened(play) as it:
        it >> it.caller.leaves() << "a1 reset"
        assert it.record.cut == Cut.CLIENT_GONE


def test_the_endpoint_goes(play: Play) -> None:
    with opened(play) as it:
        it >> it.stream("a1").cuts() << "caller reset"
        assert it.record.cut == Cut.UPSTREAM_CUT


def test_either_side_is_held_back(play: Play) -> None:
    with opened(play) as it:
        it >> it.caller.blocks() << "a1 pause"
        it >> it.caller.unblocks() << "a1 resume"
        it >> it.stream("a1").blocks() << "caller pause"
        it >> it.stream("a1").unblocks() << "caller resume"
        it >> it.caller.leaves() << "a1 reset"


def test_a_refused_upgrade_is_an_answer_like_any_other(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("GET", "/chat", upgrade="websocket") << "a1 head GET /chat"
        it >> it.stream("a1").head(403, b"no", end=True) << "caller head 403 b'no' end"
        assert it.record.status == 403


def test_a_refused_upgrade_in_pieces(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("GET", "/chat", upgrade="websocket") << "a1 head GET /chat"
        it >> it.stream("a1").head(200, b"pl") << "a1 end" << "caller head 200 b'pl'"
        it >> it.stream("a1").data(b"ain") << "caller data b'ain'"
        it >> it.stream("a1").ends() << "caller end"


def test_a_handshake_on_a_stale_connection_is_sent_again(play: Play) -> None:
    with play(endpoints="ab", kept=1) as it:
        it >> it.caller.begins("GET", "/chat", upgrade="websocket") << "a1 head GET /chat"
        it >> it.stream("a1").cuts(Fate.STALE) << "b1 head GET /chat"
        it >> it.stream("b1").head(101, upgrade="websocket") << "caller head 101"
        it >> it.caller.leaves() << "b1 reset"
