"""HTTP/2 against the `h2` library on the other side: what goes in comes out, however it is cut and windows are set."""

import h2.config
import h2.connection
import h2.events
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.dataplane.codec import FAST
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, ResponseHead
from minimesh.testing.conformance import Seen
from minimesh.testing.conformance.http2 import Asked, Caller, Endpoint

Pairs = list[tuple[bytes, bytes]]
Message = tuple[Pairs, list[int], Pairs | None]

NAME = st.sampled_from([b"accept", b"x-a", b"x-b", b"user-agent", b"etag", b"set-cookie", b"cache-control"])
VALUE = st.binary(max_size=40).map(lambda value: value.hex().encode()) | st.sampled_from([b"", b"*/*", b"\xe4"])
FIELDS = st.lists(st.tuples(NAME, VALUE), max_size=5)
BODY = st.lists(st.sampled_from([0, 1, 5, 1_000, 20_000]), max_size=6)
"""Sizes of its pieces."""
TRAILERS = st.none() | st.just([(b"sum", b"42"), (b"x-more", b"y")])
MESSAGE = st.tuples(FIELDS, BODY, TRAILERS)
STEP = st.sampled_from([0, 0, 7, 1_000])
WINDOW = st.sampled_from([65_535, 100_000, 1_000_000])
PSEUDO = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]


class Heard:
    """What the library heard on one stream."""

    def __init__(self) -> None:
        self.fields: Pairs = []
        self.body = b""
        self.trailers: Pairs | None = None
        self.ended = False


class Library:
    """The library's end of a connection; it gives credit for all that comes."""

    def __init__(self, peer: Caller | Endpoint, *, client: bool, window: int) -> None:
        config = h2.config.H2Configuration(client_side=client, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.connection.local_settings = h2.settings.Settings(
            client=client, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.connection.initiate_connection()
        self.streams: dict[int, Heard] = {}
        self.unsent: dict[int, tuple[list[bytes], Pairs | None]] = {}
        self._peer = peer

    def say(self, number: int, fields: Pairs, body: list[int], trailers: Pairs | None) -> None:
        self.connection.send_headers(number, fields)
        self.unsent[number] = ([bytes(size) for size in body], trailers)

    def talk(self) -> None:
        """Until neither side has anything to say."""
        self._peer.settle()
        while True:
            self._push()
            out = self.connection.data_to_send()
            if out:
                self._peer.send(out)
            back = self._peer.transport.taken()
            if not back and not out:
                return
            for event in self.connection.receive_data(back):
                self._hear(event)

    def _push(self) -> None:
        """As much of the bodies as the windows let."""
        for number, (pieces, trailers) in tuple(self.unsent.items()):
            while pieces:
                room = min(self.connection.local_flow_control_window(number), self.connection.max_outbound_frame_size)
                if pieces[0] and room <= 0:
                    break
                piece, rest = pieces[0][:room], pieces[0][room:]
                self.connection.send_data(number, piece)
                pieces[:1] = [rest] if rest else []
            if not pieces:
                del self.unsent[number]
                if trailers is None:
                    self.connection.end_stream(number)
                else:
                    self.connection.send_headers(number, trailers, end_stream=True)

    def _hear(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                self._of(event.stream_id).fields = [(name, value) for name, value in event.headers or ()]
            case h2.events.DataReceived():
                self._of(event.stream_id).body += event.data or b""
                if event.flow_controlled_length:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
            case h2.events.TrailersReceived():
                self._of(event.stream_id).trailers = [(name, value) for name, value in event.headers or ()]
            case h2.events.StreamEnded():
                self._of(event.stream_id).ended = True
            case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                raise AssertionError(event)

    def _of(self, number: int | None) -> Heard:
        return self.streams.setdefault(number or 0, Heard())


@given(st.lists(st.tuples(MESSAGE, MESSAGE), min_size=1, max_size=4), STEP, WINDOW)
@settings(max_examples=40)
def test_the_library_as_a_caller(exchanges: list[tuple[Message, Message]], step: int, window: int) -> None:
    caller = Caller(FAST, step, answer=None, greeting=b"")
    library = Library(caller, client=True, window=window)
    for number, (asked, _) in zip(range(1, 100, 2), exchanges, strict=False):
        library.say(number, PSEUDO + asked[0], *asked[1:])
    library.talk()
    for seen, (asked, said) in zip(caller.seen, exchanges, strict=True):
        assert (list(seen.head.fields.pairs), seen.body) == (asked[0], bytes(sum(asked[1])))
        assert seen.ended
        assert (None if seen.trailers is None else list(seen.trailers.pairs)) == asked[2]
        respond(seen, *said)
    library.talk()
    for number, (_, said) in zip(range(1, 100, 2), exchanges, strict=False):
        heard = library.streams[number]
        assert heard.ended
        assert heard.fields == [(b":status", b"200"), *said[0]]
        assert (heard.body, heard.trailers) == (bytes(sum(said[1])), said[2])
    assert not any(seen.cut for seen in caller.seen)


def respond(seen: Seen, fields: Pairs, body: list[int], trailers: Pairs | None) -> None:
    seen.server.send_head(ResponseHead(200, Fields(tuple(fields)), UNKNOWN), b"", False)
    for size in body:
        seen.server.send_data(bytes(size))
    seen.server.send_end(None if trailers is None else Fields(tuple(trailers)))


@given(st.lists(st.tuples(MESSAGE, MESSAGE), min_size=1, max_size=4), STEP, WINDOW)
@settings(max_examples=40)
def test_the_library_as_an_endpoint(exchanges: list[tuple[Message, Message]], step: int, window: int) -> None:
    endpoint = Endpoint(FAST, step, greeting=b"")
    library = Library(endpoint, client=False, window=window)
    library.connection.receive_data(endpoint.greeting)
    asked: list[Asked] = []
    for (fields, body, trailers), _ in exchanges:
        one = endpoint.ask(b"POST", length=UNKNOWN, end=False, fields=Fields(tuple(fields)) if fields else NO_FIELDS)
        for size in body:
            one.stream.send_data(bytes(size))
        one.stream.send_end(None if trailers is None else Fields(tuple(trailers)))
        asked.append(one)
    library.talk()
    for number, (sent, said) in zip(range(1, 100, 2), exchanges, strict=False):
        heard = library.streams[number]
        assert heard.ended
        assert heard.fields[4:-2] == sent[0]
        assert (heard.body, heard.trailers) == (bytes(sum(sent[1])), sent[2])
        library.say(number, [(b":status", b"200"), *said[0]], *said[1:])
    library.talk()
    for one, (_, said) in zip(asked, exchanges, strict=True):
        assert one.ended
        assert one.head is not None
        assert (list(one.head.fields.pairs), one.body) == (said[0], bytes(sum(said[1])))
        assert (None if one.trailers is None else list(one.trailers.pairs)) == said[2]
    assert not endpoint.connection.active
