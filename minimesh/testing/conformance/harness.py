"""A codec between a connection in memory and an exchange that only listens."""

from collections.abc import Callable

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connections import ClientConnection, Dialled, ServerConnection
from minimesh.dataplane.heads import NO_FIELDS, Fields, OutgoingHead, RequestHead, ResponseHead
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.streams import ClientStream, Fate, ServerStream
from minimesh.dataplane.wheel import TICK, Wheel
from minimesh.model.caller import Caller
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.reason import Cut, Reason
from minimesh.testing.clock import VirtualClock
from minimesh.testing.transport import MemoryTransport

TRACE_CONTEXT = b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


class Seen:
    """One request as an exchange sees it, and the stream to answer it on. `begun`: whoever answers by hand has."""

    def __init__(self, server: ServerStream, head: RequestHead, answer: "Answer | None") -> None:
        self.server = server
        self.head = head
        self.body = b""
        self.ended = False
        self.trailers: Fields | None = None
        self.cut: Cut | None = None
        self.refused: Reason | None = None
        self.blocked = self.deadline = self.begun = False
        self.started = 0.0
        self._answer = answer

    @property
    def in_line(self) -> bool:
        return False

    def start(self, data: bytes, end: bool) -> None:
        self.body += data
        if end:
            self.request_end(None)
        elif self.head.upgrade:
            self._reply()

    def request_data(self, data: bytes) -> None:
        assert not self.ended, "data after the end"
        self.body += data

    def request_end(self, trailers: Fields | None) -> None:
        assert not self.ended, "a second end"
        self.ended = True
        self.trailers = trailers
        if not self.head.upgrade:
            self._reply()

    def request_cut(self, cut: Cut, detail: str) -> None:
        assert self.cut is None, "a second cut"
        self.cut = cut

    def request_refused(self, reason: Reason, detail: str) -> None:
        self.refused = reason
        if self.begun:
            self.server.reset()
        else:
            refuse(self.server, reason)

    def response_blocked(self) -> None:
        self.blocked = True

    def response_unblocked(self) -> None:
        self.blocked = False

    def deadline_passed(self) -> None:
        self.deadline = True

    def _reply(self) -> None:
        if self._answer is not None:
            self._answer(self)

    def summary(self) -> tuple[object, ...]:
        """All that there is to compare. Order counts only between fields of one name."""
        head = self.head
        return (
            head.method,
            head.target,
            head.authority,
            by_name(head.fields),
            head.length,
            head.upgrade,
            head.expects_continue,
            head.request_id,
            head.traceparent,
            by_name(head.forwarded),
            head.cross_site,
            head.trailers,
            self.body,
            self.ended,
            None if self.trailers is None else by_name(self.trailers),
        )


Answer = Callable[[Seen], None]


def by_name(fields: Fields) -> list[tuple[bytes, bytes]]:
    return sorted(fields.pairs, key=lambda pair: pair[0])


def refuse(server: ServerStream, reason: Reason) -> None:
    body = reason.code.encode()
    fields = Fields(((b"content-length", b"%d" % len(body)),))
    server.send_head(ResponseHead(reason.status, fields, len(body)), body, True)


def say_hello(seen: Seen) -> None:
    """The plainest answer."""
    fields = Fields(((b"content-length", b"5"),))
    bodiless = seen.head.method == b"HEAD"
    seen.server.send_head(ResponseHead(200, fields, 0 if bodiless else 5), b"" if bodiless else b"hello", True)


HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class ServerHarness:
    """An Entrance with one connection. `seen`: the requests; `refusals`: what never became one."""

    def __init__(self, codec: Codec, answer: Answer | None = say_hello, limits: Limits | None = None) -> None:
        self.clock = VirtualClock()
        self.connects = False
        self.caller = Caller(Identity("test.local", "web"))
        self.limits = limits or Limits()
        self.wheel = Wheel(self.clock.monotonic())
        self.outbox = Outbox(lambda flush: flush())
        self.draining = False
        self.seen: list[Seen] = []
        self.refusals: list[Reason] = []
        self.open = False
        self._answer = answer
        self.connection = codec.server(self)
        self.transport = MemoryTransport(self.connection)

    @property
    def last(self) -> Seen:
        assert self.seen, f"no request was seen; refused: {self.refusals}"
        return self.seen[-1]

    def successor(self, connection: ServerConnection) -> ServerConnection:
        raise NotImplementedError

    def exchange(self, server: ServerStream, head: RequestHead) -> Seen:
        seen = Seen(server, head, self._answer)
        self.seen.append(seen)
        return seen

    def refuse(self, server: ServerStream, reason: Reason, detail: str) -> None:
        self.refusals.append(reason)
        refuse(server, reason)

    def opened(self, connection: ServerConnection) -> None:
        self.open = True

    def closed(self, connection: ServerConnection) -> None:
        assert self.open, "closed twice"
        self.open = False

    def advance(self, seconds: float) -> None:
        pass_time(self.clock, self.wheel, self.transport, seconds)


class Heard:
    """One answer as an exchange hears it."""

    def __init__(self) -> None:
        self.informational: list[int] = []
        self.head: ResponseHead | None = None
        self.body = b""
        self.ended = self.blocked = False
        self.trailers: Fields | None = None
        self.cut: Reason | None = None
        self.fate: Fate | None = None

    def client_ready(self, stream: ClientStream) -> None:
        raise AssertionError("nothing was dialled")

    def client_failed(self, reason: Reason, detail: str) -> None:
        raise AssertionError("nothing was dialled")

    def response_informational(self, head: ResponseHead) -> None:
        assert self.head is None, "an interim head after the head"
        self.informational.append(head.status)

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        assert self.head is None, "a second head"
        self.head = head
        self.response_data(data)
        if end:
            self.response_end(None)

    def response_data(self, data: bytes) -> None:
        assert not self.ended, "data after the end"
        self.body += data

    def response_end(self, trailers: Fields | None) -> None:
        assert not self.ended, "a second end"
        self.ended = True
        self.trailers = trailers

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        assert self.cut is None, "a second cut"
        assert not self.ended, "a cut after the end"
        self.cut, self.fate = reason, fate

    def request_blocked(self) -> None:
        self.blocked = True

    def request_unblocked(self) -> None:
        self.blocked = False

    def summary(self) -> tuple[object, ...]:
        head = self.head
        shown = None if head is None else (head.status, by_name(head.fields), head.length, head.reason, head.upgrade)
        trailers = None if self.trailers is None else by_name(self.trailers)
        return (self.informational, shown, self.body, self.ended, trailers)


class ClientHarness:
    """A Home with one connection. `kept`: it is in the pool; `gone`: it is out of it for good."""

    def __init__(self, codec: Codec) -> None:
        self.clock = VirtualClock()
        self.wheel = Wheel(self.clock.monotonic())
        self.idle_limit = 300.0
        self.keep_limit = 60.0
        self.kept = self.gone = self.multiplexes = False
        self.connection = codec.client(self)
        self.transport = MemoryTransport(self.connection)

    def speaks_http2(self) -> None:
        self.multiplexes = True

    def release(self, connection: ClientConnection) -> None:
        assert not self.kept, "released twice"
        self.kept = True

    def lost(self, connection: Dialled) -> None:
        self.gone = True
        self.kept = False

    def ask(
        self,
        method: bytes = b"GET",
        *,
        data: bytes = b"",
        length: int | None = None,
        end: bool = True,
        upgrade: bytes = b"",
        fields: Fields = NO_FIELDS,
        expects_continue: bool = False,
        multiplexed: bool = False,
    ) -> Heard:
        """Send a request to `orders`; what comes back is heard."""
        head = RequestHead(
            method,
            b"/",
            b"orders",
            fields,
            len(data) if length is None else length,
            upgrade=upgrade,
            expects_continue=expects_continue,
        )
        head.multiplexed = multiplexed
        heard = Heard()
        self.kept = False
        self.connection.attend(heard)
        request = OutgoingHead(head, head.target, head.authority, NO_FIELDS)
        self.connection.send_head(request, b"id", TRACE_CONTEXT, data, end and not upgrade)
        self.transport.settle()
        return heard

    def advance(self, seconds: float) -> None:
        pass_time(self.clock, self.wheel, self.transport, seconds)


def pass_time(clock: VirtualClock, wheel: Wheel, transport: MemoryTransport, seconds: float) -> None:
    """Turn the wheel as a loop would: every tick."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        clock.advance(min(TICK, until - clock.monotonic()) or TICK)
        wheel.turn(clock.monotonic())
        transport.settle()
