"""Whoever is slow slows the other side, on connections of one stream and of many."""

from minimesh.dataplane.streams import Fate
from minimesh.testing import Play, Playbook
from minimesh.testing.multiplexed import Multiplex, MultiplexedClientStream, MultiplexedServerStream


def test_a_slow_reader_holds_the_endpoint_back(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        it >> it.stream("a1").head(200, b"x") << "caller head 200 b'x'"
        it >> it.caller.blocks() << "a1 pause"
        it >> it.stream("a1").data(b"still on its way") << "caller data b'still on its way'"
        it >> it.caller.unblocks() << "a1 resume"
        it >> it.stream("a1").ends() << "caller end"


def test_a_slow_endpoint_holds_the_caller_back(play: Play) -> None:
    with play(kept=1) as it:
        it >> it.caller.begins("POST", "/", b"x", end=False) << "a1 head POST / b'x'"
        it >> it.stream("a1").blocks() << "caller pause"
        it >> it.caller.data(b"still on its way") << "a1 data b'still on its way'"
        it >> it.stream("a1").unblocks() << "caller resume"
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").head(200, end=True) << "caller head 200 end"


def test_nobody_is_held_back_when_the_other_is_gone(play: Play) -> None:
    with play() as it:
        it >> it.caller.begins() << "a dial"
        it >> it.caller.blocks()
        it >> it.caller.unblocks()
        it >> it.caller.leaves()


def client_connection(it: Playbook) -> Multiplex:
    connection = it.pools["a"].connection
    assert connection is not None
    return connection


def test_a_window_that_is_used_up_stalls_and_opens() -> None:
    with Playbook(kept=1, multiplexed_caller=True, multiplexed_endpoints=True, windows=4) as it:
        it >> it.caller.begins("POST", "/", b"four", end=False) << "a1 head POST / b'four'" << "caller pause"
        connection = client_connection(it)
        stream = it.stream("a1").stream
        assert isinstance(stream, MultiplexedClientStream)
        it >> it.event("the stream's window opens", lambda: connection.grant(4, stream))
        it >> it.event("the connection's window opens", lambda: connection.grant(4)) << "caller resume"
        it >> it.caller.ends() << "a1 end"
        it >> it.stream("a1").head(200, b"longer") << "caller head 200 b'longer'" << "a1 pause"
        caller = it.caller.stream
        assert isinstance(caller, MultiplexedServerStream)
        it >> it.event("more of the stream", lambda: caller.connection.grant(9, caller))
        it >> it.event("more of all", lambda: caller.connection.grant(9)) << "a1 resume"
        it >> it.stream("a1").ends() << "caller end"


def test_a_goaway_refuses_what_it_does_not_know() -> None:
    """The stream below it goes on; the one above is sent again, over a new connection, whatever its method."""
    with Playbook(kept=1, multiplexed_caller=True, multiplexed_endpoints=True) as it:
        it >> it.caller.begins("POST", "/first", b"1") << "a1 head POST /first b'1' end"
        it >> it.caller.begins("POST", "/second", b"2") << "a2 head POST /second b'2' end"
        connection = client_connection(it)
        it >> it.event("GOAWAY 1", lambda: connection.go_away(1)) << "a dial"
        it >> it.stream("a1").head(200, end=True) << "caller head 200 end"
        it.pools["a"].connection = Multiplex()
        it >> it.dial("a").succeeds() << "a3 head POST /second b'2' end"
        it >> it.stream("a3").head(201, end=True) << "caller head 201 end"
        assert [(record.status, record.tries) for record in it.records] == [(200, 1), (201, 2)]


def test_a_lost_connection_cuts_each_of_its_streams() -> None:
    with Playbook(kept=1, multiplexed_caller=True, multiplexed_endpoints=True) as it:
        it >> it.caller.begins("GET", "/first") << "a1 head GET /first end"
        first = it.caller.stream
        it >> it.stream("a1").head(200) << "caller head 200"
        it >> it.caller.begins("POST", "/second", b"2") << "a2 head POST /second b'2' end"
        connection = client_connection(it)
        it >> it.event("the connection breaks", connection.lose) << "caller reset"
        it << f"caller head 502 {it.caller.stream.body!r} end"
        assert first.over_or_ended
        assert [record.cut for record in it.records] == ["upstream_cut", ""]


def test_a_reset_of_one_stream_leaves_the_others() -> None:
    with Playbook(kept=1, multiplexed_caller=True, multiplexed_endpoints=True) as it:
        it >> it.caller.begins("GET", "/first") << "a1 head GET /first end"
        first = it.caller.stream
        assert isinstance(first, MultiplexedServerStream)
        it >> it.caller.begins("GET", "/second") << "a2 head GET /second end"
        it >> it.event("RST_STREAM 1", first.break_off) << "a1 reset"
        it >> it.stream("a2").head(200, end=True) << "caller head 200 end"
        it >> it.caller.begins("GET", "/third") << "a3 head GET /third end"
        it >> it.stream("a3").cuts(Fate.UNKNOWN)
        it << f"caller head 502 {it.caller.stream.body!r} end"
        assert [record.cut for record in it.records] == ["client_gone", "", ""]
