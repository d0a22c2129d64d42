"""What may stop a request, or change it, before it goes on: the gates of its route, asked in turn.

A route without gates never comes here. A gate says at once what it thinks of a request, or WAIT, and tells later; the
caller is held back meanwhile. What a gate has found out of the caller (claims) is there for those after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from minimesh.dataplane.heads import Fields, OutgoingHead, Pairs, RequestHead, ResponseHead
from minimesh.dataplane.streams import ServerStream
from minimesh.model import snapshot
from minimesh.model.caller import Caller
from minimesh.model.reason import Reason
from minimesh.model.route import Route


class Side(Enum):
    """Of a call, whose gate it is: they stand at different ends of the hop."""

    CALLER = "caller"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The mesh answers that it may not be. where: the line of minimesh.toml that decided, or "". fields: of the answer
    besides those that every one has (WWW-Authenticate …). help: what to do or to write, to be pasted."""

    reason: Reason
    detail: str
    where: str = ""
    fields: Pairs = ()
    help: str = ""

    @property
    def said(self) -> str:
        """For a record."""
        return f"{self.detail}, {self.where}" if self.where else self.detail


@dataclass(frozen=True, slots=True)
class Reply:
    """The mesh, or somebody whom it asked, answers in place of the service."""

    reason: Reason
    status: int
    fields: Pairs = ()
    body: bytes = b""


class Wait(Enum):
    """The gate has to find out first, and calls `Asked.go_on` later: never before `ask` has returned."""

    WAIT = "wait"


WAIT = Wait.WAIT
Verdict = Refusal | Reply | None
"""None: it may go on."""


class Gate(Protocol):
    """Of one route; holds no request."""

    def ask(self, asked: Asked) -> Verdict | Wait: ...


class Gatekeeper(Protocol):
    """Makes the gates of one policy, where it is configured, for a route of a listener to a service."""

    side: Side

    def gates(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Gate]: ...


class Guard(Protocol):
    """What may turn away those who bring only bytes; of one way that they take."""

    def refuses(self, caller: Caller) -> Refusal | None:
        """Asked once, when a connection is made or a flow of datagrams begins."""
        ...


class Guardian(Protocol):
    """Makes the guards of one policy, where it is configured, for the way of a listener to a service."""

    def guards(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Guard]: ...


class Passing(Protocol):
    """The exchange, as its gates see it."""

    def gates_passed(self) -> None: ...

    def gates_closed(self, verdict: Refusal | Reply) -> None: ...

    def hold_back(self) -> None:
        """The caller, while a gate finds out."""
        ...


@dataclass(slots=True, eq=False)
class Asked:
    """A request at the gates of its route.

    claims: of a verified token or key. subject: whom it was given to. added: fields for the service; what its caller
    sent of their names is not passed on, nor what `removed` names. answered: fields for the answer, whoever gives it;
    struck: names of those that it is not to have otherwise. note: for the record, where nothing else is said in it.
    on_leave: called when nobody waits for the gate any more that has said WAIT.
    """

    exchange: Passing
    gates: Sequence[Gate]
    head: RequestHead
    server: ServerStream
    started: float
    claims: Mapping[str, object] = field(default_factory=dict)
    subject: str = ""
    added: list[tuple[bytes, bytes]] = field(default_factory=list)
    removed: set[bytes] = field(default_factory=set)
    answered: list[tuple[bytes, bytes]] = field(default_factory=list)
    struck: set[bytes] = field(default_factory=set)
    note: str = ""
    on_leave: Callable[[], None] | None = None
    waiting: bool = False
    _next: int = 0

    @property
    def caller(self) -> Caller:
        return self.server.caller

    def begin(self) -> None:
        while self._next < len(self.gates):
            gate = self.gates[self._next]
            self._next += 1
            verdict = gate.ask(self)
            if verdict is WAIT:
                self.waiting = True
                self.exchange.hold_back()
                return
            if isinstance(verdict, Refusal | Reply):
                self.exchange.gates_closed(verdict)
                return
        self.exchange.gates_passed()

    def go_on(self, verdict: Verdict) -> None:
        """What the gate has found that said WAIT."""
        if not self.waiting:
            return
        self.waiting = False
        self.on_leave = None
        if verdict is None:
            self.begin()
        else:
            self.exchange.gates_closed(verdict)

    def leave(self) -> bool:
        """The exchange is over or has passed; whether a gate was still being waited for."""
        waited, self.waiting = self.waiting, False
        on_leave, self.on_leave = self.on_leave, None
        if on_leave is not None:
            on_leave()
        return waited

    def request(self, outgoing: OutgoingHead) -> OutgoingHead:
        """What goes to the service."""
        if not self.added and not self.removed:
            return outgoing
        own = self.removed.union(name for name, _ in self.added)
        kept = tuple(pair for pair in outgoing.fields.pairs if pair[0] not in own)
        return outgoing.having(Fields((*kept, *self.added)))

    def answer(self, head: ResponseHead) -> ResponseHead:
        """The same with what the gates have to add to it."""
        if not self.answered and not self.struck:
            return head
        fields = Fields((*(pair for pair in head.fields.pairs if pair[0] not in self.struck), *self.answered))
        return ResponseHead(head.status, fields, head.length, head.reason, head.upgrade)
