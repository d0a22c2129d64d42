"""A conversation with an exchange: what happens goes in with `>>`, the calls that come out are said with `<<`.

    with Playbook(kept=1) as play:
        play >> play.caller.begins("GET", "/") << "a1 head GET / end"
        play >> play.stream("a1").head(200, b"hello", end=True) << "caller head 200 b'hello' end"
        assert play.record.status == 200

A line that was not said, or was said and did not come, ends the play with a diff of the whole conversation; so does
leaving it with calls that nobody expected. Callers and endpoints may be of the multiplexed kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from minimesh.dataplane import grpcweb
from minimesh.dataplane.connections import Starts
from minimesh.dataplane.gates import Gate
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, RequestHead, ResponseHead
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.model.reason import BAD_REQUEST, UPSTREAM_REFUSED, UPSTREAM_RESET, Cut, Reason
from minimesh.model.record import Record
from minimesh.model.service import Breaker
from minimesh.testing.clock import VirtualClock
from minimesh.testing.multiplexed import Multiplex, MultiplexedServerStream
from minimesh.testing.streams import FakeClientStream, FakeServerStream, show, show_trailers
from minimesh.testing.upstreams import FakeOrigin, FakePool, FakeUpstream


class PlayError(AssertionError):
    """The conversation went another way."""


@dataclass(frozen=True)
class Event:
    """Something that happens, and how it reads."""

    text: str
    happen: Callable[[], None]


class Playbook:
    """One exchange between a fake caller and the endpoints `a`, `b` … of a fake service; more of them with `another`.

    kept: streams to each endpoint that are there already. timeout: the route's, in seconds.
    loopback: the caller is on this machine. breaker: how many exchanges the service may have. windows: what the
    connections of multiplexed callers and endpoints let through at first. gates: of the route.
    """

    def __init__(
        self,
        *,
        endpoints: str = "a",
        kept: int = 0,
        timeout: float | None = None,
        routed: bool = True,
        loopback: bool = True,
        breaker: Breaker | None = None,
        multiplexed_caller: bool = False,
        multiplexed_endpoints: bool = False,
        windows: int = 65_535,
        gates: tuple[Gate, ...] = (),
    ) -> None:
        self.clock = VirtualClock()
        self.pools = {
            name: FakePool(
                name, self._note, kept=kept, connection=Multiplex(windows) if multiplexed_endpoints else None
            )
            for name in endpoints
        }
        self.upstream = FakeUpstream("orders", tuple(self.pools.values()), breaker)
        self.origin = FakeOrigin(self.clock, self.upstream if routed else None, timeout=timeout, gates=gates)
        self.caller_connection = Multiplex(windows) if multiplexed_caller else None
        self.loopback = loopback
        self.caller = Caller(self)
        self._happened: list[str] = []
        self._said: list[str] = []
        self._entered = False

    def __enter__(self) -> Self:
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._compare()

    def __rshift__(self, event: Event) -> Playbook:
        """Let it happen. What came out before must have been said."""
        if not self._entered:
            raise RuntimeError("a playbook is used in a with statement, so that it cannot be left unfinished")
        self._compare()
        self._happened.append(f">> {event.text}")
        self._said.append(f">> {event.text}")
        event.happen()
        return self

    def __lshift__(self, line: str) -> Playbook:
        """One call that should have come out."""
        self._said.append(f"<< {line}")
        return self

    def another(self, name: str) -> Caller:
        """One more caller, who reads by that name."""
        return Caller(self, name)

    def stream(self, name: str) -> Endpoint:
        """The endpoint's end of a stream: a1 is the first to endpoint a."""
        return Endpoint(self, next(each for each in self.pools[name[0]].streams if each.name == name))

    def dial(self, name: str, number: int = 0) -> Dialled:
        """What becomes of a connection that is being dialled."""
        return Dialled(self, self.pools[name], number)

    def event(self, text: str, happen: Callable[[], None]) -> Event:
        """Anything else that happens."""
        return Event(text, happen)

    @property
    def record(self) -> Record:
        """The one record that the exchange left."""
        records = self.origin.ring.since(0).records
        if len(records) != 1:
            raise PlayError(f"{len(records)} records instead of one")
        return records[0]

    @property
    def records(self) -> tuple[Record, ...]:
        return self.origin.ring.since(0).records

    def _note(self, line: str) -> None:
        self._happened.append(f"<< {line}")

    def _compare(self) -> None:
        if self._happened != self._said:
            lines = difflib.ndiff(self._said, self._happened)
            raise PlayError("the conversation went another way (- said, + happened)\n" + "\n".join(lines))


class Caller:
    """The caller's end: each method is an event for the playbook."""

    def __init__(self, play: Playbook, name: str = "caller") -> None:
        self._play = play
        self.name = name
        self.stream = FakeServerStream(name, lambda line: None)
        self.exchange: Starts | None = None

    def begins(
        self,
        method: str = "GET",
        target: str = "/",
        data: bytes = b"",
        *,
        end: bool | None = None,
        length: int | None = None,
        upgrade: str = "",
        expects_continue: bool = False,
        head: RequestHead | None = None,
    ) -> Event:
        """A head with the first of the body. end None: where there is a body to come, it is not the end."""
        if length is None:
            length = len(data) if end in (None, True) else UNKNOWN
        whole = (length == len(data) if end is None else end) and not upgrade
        if head is None:
            head = RequestHead(
                method.encode(),
                target.encode(),
                b"orders",
                NO_FIELDS,
                length,
                upgrade=upgrade.encode(),
                expects_continue=expects_continue,
            )
        made = head
        text = show(self.name, head.method.decode(), head.target.decode(), data, "end" if whole else "")
        return Event(text, lambda: self._begin(made, data, whole))

    def _begin(self, head: RequestHead, data: bytes, end: bool) -> None:
        play = self._play
        if play.caller_connection is None:
            self.stream = FakeServerStream(self.name, play._note)
        else:
            self.stream = MultiplexedServerStream(self.name, play._note, play.caller_connection)
        make = grpcweb.exchange if head.web else play.origin.make
        self.exchange = exchange = make(play.origin, self.stream, head)
        self.stream.exchange = exchange
        self.stream.loopback = play.loopback
        exchange.start(data, end)

    def data(self, data: bytes) -> Event:
        return Event(show(f"{self.name} data", data), lambda: self._known().request_data(data))

    def ends(self, trailers: Fields | None = None) -> Event:
        return Event(show(f"{self.name} end", show_trailers(trailers)), lambda: self._known().request_end(trailers))

    def leaves(self, cut: Cut = Cut.CLIENT_GONE) -> Event:
        return Event(f"{self.name} {cut.value}", lambda: self._known().request_cut(cut, "the caller left"))

    def spoils(self, reason: Reason = BAD_REQUEST) -> Event:
        """Its body turns out to be malformed."""
        return Event(f"{self.name} {reason.code}", lambda: self._known().request_refused(reason, "the body is broken"))

    def blocks(self) -> Event:
        return Event(f"{self.name} blocked", lambda: self._known().response_blocked())

    def unblocks(self) -> Event:
        return Event(f"{self.name} unblocked", lambda: self._known().response_unblocked())

    def waits(self, seconds: float) -> Event:
        """Time passes, and the deadline with it if there was one."""
        return Event(f"{seconds:g} s pass", lambda: self._wait(seconds))

    def _wait(self, seconds: float) -> None:
        self._play.clock.advance(seconds)
        due = self.stream.due
        if due is not None and due <= self._play.clock.monotonic() and not self.stream.over_or_ended:
            self._known().deadline_passed()

    def _known(self) -> Starts:
        assert self.exchange is not None, "the caller has not begun"
        return self.exchange


class Endpoint:
    """The endpoint's end of a stream: each method is an event for the playbook."""

    def __init__(self, play: Playbook, stream: FakeClientStream) -> None:
        self._play = play
        self.stream = stream

    @property
    def _exchange(self) -> ClientEvents:
        assert self.stream.exchange is not None, f"{self.stream.name} has no exchange"
        return self.stream.exchange

    def informational(self, status: int) -> Event:
        text = f"{self.stream.name} informational {status}"
        return Event(text, lambda: self._exchange.response_informational(ResponseHead(status)))

    def head(self, status: int, data: bytes = b"", *, end: bool = False, upgrade: str = "") -> Event:
        """Without a reason phrase, as on HTTP/2."""
        head = ResponseHead(status, NO_FIELDS, len(data) if end else UNKNOWN, upgrade=upgrade.encode())
        text = show(self.stream.name, "head", status, data, "end" if end else "")
        return Event(text, lambda: self._over(end).response_head(head, data, end))

    def data(self, data: bytes) -> Event:
        return Event(show(self.stream.name, "data", data), lambda: self._exchange.response_data(data))

    def ends(self, trailers: Fields | None = None) -> Event:
        text = show(self.stream.name, "end", show_trailers(trailers))
        return Event(text, lambda: self._exchange.response_end(trailers))

    def cuts(self, fate: Fate = Fate.UNKNOWN, reason: Reason = UPSTREAM_RESET) -> Event:
        text = f"{self.stream.name} cut {fate.name}"
        return Event(text, lambda: self._over(True).response_cut(reason, "it went away", fate))

    def blocks(self) -> Event:
        return Event(f"{self.stream.name} blocked", self._exchange.request_blocked)

    def unblocks(self) -> Event:
        return Event(f"{self.stream.name} unblocked", self._exchange.request_unblocked)

    def _over(self, over: bool) -> ClientEvents:
        exchange = self._exchange
        if over:
            self.stream.exchange = None
        return exchange


class Dialled:
    """A connection that was dialled: it comes, or it does not."""

    def __init__(self, play: Playbook, pool: FakePool, number: int) -> None:
        self._play = play
        self._pool = pool
        self._number = number

    def succeeds(self) -> Event:
        return Event(f"{self._pool.name} connected", self._succeed)

    def fails(self, reason: Reason = UPSTREAM_REFUSED) -> Event:
        return Event(f"{self._pool.name} {reason.code}", lambda: self._fail(reason))

    def _succeed(self) -> None:
        exchange = self._take()
        if exchange is not None:
            exchange.client_ready(self._pool.open(exchange))

    def _fail(self, reason: Reason) -> None:
        exchange = self._take()
        if exchange is not None:
            exchange.client_failed(reason, "connect failed")

    def _take(self) -> ClientEvents | None:
        dial = self._pool.dials[self._number]
        exchange, dial.exchange = dial.exchange, None
        return exchange


Play = Callable[..., Playbook]
"""Makes a playbook with the options of its constructor."""
