"""A codec of HTTP/2 between a peer in memory and exchanges that only listen."""

from collections.abc import Callable

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connections import MultiplexedConnection, ServerConnection
from minimesh.dataplane.heads import NO_FIELDS, Fields, OutgoingHead, RequestHead
from minimesh.dataplane.http2.hpack import NO_TABLE
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.streams import ClientStream, ServerStream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import caller as who
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.reason import Reason
from minimesh.testing.clock import VirtualClock
from minimesh.testing.conformance.harness import TRACE_CONTEXT, Answer, Heard, Seen, pass_time, refuse, say_hello
from minimesh.testing.conformance.http2.wire import COMMON, PREFACE, SETTINGS_ACK, Reader, headers, settings
from minimesh.testing.transport import MemoryTransport

GREETING = PREFACE + settings({})
"""What a caller begins with that has nothing to say, and has not heard yet that there is no dynamic table."""
SETTLED = GREETING + SETTINGS_ACK + headers(1, NO_TABLE + COMMON, True)
"""The same when it has heard, with a first request."""


class _Peer:
    """The test's end of a connection. `step`: bytes that it sends at once, 0 for all that there is."""

    transport: MemoryTransport

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.clock = VirtualClock()
        self.wheel = Wheel(self.clock.monotonic())
        self._soon: list[Callable[[], None]] = []
        self.outbox = Outbox(self._soon.append)
        self._reader = Reader()

    def send(self, *frames: bytes) -> None:
        self.transport.feed(b"".join(frames), self.step)
        self.settle()

    def settle(self) -> None:
        """What a loop does in its next turn."""
        while self._soon:
            soon, self._soon[:] = tuple(self._soon), ()
            for call in soon:
                call()
        self.transport.settle()

    def heard(self) -> list[str]:
        """Frames that came since this was last asked."""
        self.settle()
        return self._reader.read(self.transport.taken())

    def answers(self) -> list[str]:
        """The same, without what concerns windows and settings alone."""
        return [line for line in self.heard() if not line.startswith(("SETTINGS", "WINDOW_UPDATE"))]

    def advance(self, seconds: float) -> None:
        pass_time(self.clock, self.wheel, self.transport, seconds)
        self.settle()


class Caller(_Peer):
    """A caller, and an Entrance with its connection. `seen`: the requests; `refusals`: what never became one."""

    def __init__(
        self,
        codec: Codec,
        step: int = 0,
        answer: Answer | None = say_hello,
        limits: Limits | None = None,
        greeting: bytes = GREETING,
    ) -> None:
        super().__init__(step)
        self.connects = False
        self.caller = who.Caller(Identity("test.local", "web"))
        self.limits = limits or Limits()
        self.draining = self.open = False
        self.seen: list[Seen] = []
        self.refusals: list[Reason] = []
        self._answer = answer
        self.connection = codec.multiplexed_server(self)
        self.transport = MemoryTransport(self.connection)
        if greeting:
            self.send(greeting)
            self.heard()

    @property
    def last(self) -> Seen:
        assert self.seen, f"no request was seen; refused: {self.refusals}"
        return self.seen[-1]

    def successor(self, connection: ServerConnection) -> ServerConnection:
        raise NotImplementedError

    def exchange(self, server: ServerStream, head: RequestHead) -> Seen:
        seen = Seen(server, head, self._answer)
        seen.started = self.clock.monotonic()
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


class Endpoint(_Peer):
    """An endpoint, and a MultiplexedHome with a connection to it."""

    def __init__(self, codec: Codec, step: int = 0, greeting: bytes = settings({})) -> None:
        super().__init__(step)
        self.idle_limit = 300.0
        self.keep_limit = 60.0
        self.multiplexes: bool | None = None
        self.strangeness = ""
        self.leaving = self.lost = False
        self.roomier_told = 0
        self.connection: MultiplexedConnection = codec.multiplexed_client(self)
        self.transport = MemoryTransport(self.connection)
        preface, self.transport.sent = self.transport.sent, b""
        self.settle()
        preface += self.transport.taken()
        assert preface.startswith(PREFACE)
        self.greeting = preface
        self.preface = self._reader.read(preface.removeprefix(PREFACE))
        if greeting:
            self.send(greeting)
            self.heard()

    def settled(self, connection: MultiplexedConnection) -> None:
        self.multiplexes = True

    def strange(self, connection: MultiplexedConnection, detail: str) -> None:
        assert not self.strangeness, "strange twice"
        self.multiplexes, self.strangeness = False, detail

    def withdrawn(self, connection: MultiplexedConnection) -> None:
        self.leaving = True

    def roomier(self, connection: MultiplexedConnection) -> None:
        self.roomier_told += 1

    def gone(self, connection: MultiplexedConnection) -> None:
        self.lost = True

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
    ) -> "Asked":
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
        head.multiplexed = True
        asked = Asked()
        asked.stream = stream = self.connection.open(asked)
        request = OutgoingHead(head, head.target, head.authority, NO_FIELDS)
        stream.send_head(request, b"id", TRACE_CONTEXT, data, end and not upgrade)
        self.settle()
        return asked


class Asked(Heard):
    """What came back, and the stream that it came on."""

    stream: ClientStream

    def said(self) -> str:
        """In one line."""
        status = "" if self.head is None else str(self.head.status)
        end = "end" if self.ended else ""
        cut = "" if self.cut is None or self.fate is None else f"cut {self.cut.code} {self.fate.name}"
        interim = " ".join(map(str, self.informational))
        return " ".join(word for word in (interim, status, str(self.body) if self.body else "", end, cut) if word)
