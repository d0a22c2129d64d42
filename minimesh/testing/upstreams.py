"""A fake listener and a fake service behind it: endpoints that hand out fake streams."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from minimesh.dataplane.destination import Dial, Pool
from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.gated import GatedExchange
from minimesh.dataplane.gates import Gate
from minimesh.dataplane.heads import OutgoingHead, RequestHead
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.streams import ClientEvents, ClientStream, ServerStream
from minimesh.model import snapshot
from minimesh.model.identity import Identity
from minimesh.model.reason import NO_ROUTE
from minimesh.model.route import Route
from minimesh.model.service import Breaker
from minimesh.policy.admission import Admission
from minimesh.policy.balance import RoundRobin
from minimesh.telemetry import CounterKey, Telemetry
from minimesh.testing.clock import VirtualClock
from minimesh.testing.multiplexed import Multiplex, MultiplexedClientStream
from minimesh.testing.streams import FakeClientStream, Note

if TYPE_CHECKING:
    from minimesh.dataplane.transcoding.compiled import Compiled

DOMAIN = "test.local"


class FakePool:
    """An endpoint; its streams are called a1, a2 … after it. `kept` of them are there without dialling; on a
    multiplexed endpoint, any number while its connection is open."""

    def __init__(self, name: str, note: Note, *, kept: int = 0, connection: Multiplex | None = None) -> None:
        self.name = name
        self.kept = kept
        self.connection = connection
        self.streams: list[FakeClientStream] = []
        self.dials: list[Dial] = []
        self._note = note

    def take(self, exchange: ClientEvents, request: OutgoingHead, sure: bool) -> ClientStream | None:
        if self.connection is not None and self.connection.going_away:
            return None
        if not self.kept:
            return None
        if self.connection is None:
            self.kept -= 1
        return self.open(exchange, kept=True)

    def dial(self, exchange: ClientEvents, request: OutgoingHead) -> Dial:
        self._note(f"{self.name} dial")
        dial = Dial(exchange)
        self.dials.append(dial)
        return dial

    def open(self, exchange: ClientEvents, *, kept: bool = False) -> FakeClientStream:
        name = f"{self.name}{len(self.streams) + 1}"
        if self.connection is None:
            stream = FakeClientStream(name, self._note, kept=kept)
        else:
            stream = MultiplexedClientStream(name, self._note, self.connection)
        stream.exchange = exchange
        self.streams.append(stream)
        return stream


class FakeUpstream:
    """A service; round robin over its pools. breaker: how many exchanges it may have."""

    def __init__(self, service: str, pools: Sequence[FakePool], breaker: Breaker | None = None) -> None:
        self.spec = snapshot.Upstream(Identity(DOMAIN, service), breaker=breaker)
        self.admission = Admission(breaker)
        self.pools = pools
        self.takes_grpc: bool | None = False
        self.transcoded: Compiled | bool = False
        self.curious: list[Callable[[], None]] = []
        self._balance = RoundRobin()

    def pick(self, avoid: Pool | None = None) -> Pool | None:
        return self._balance.pick(self.pools, avoid)

    def find_out(self, then: Callable[[], None]) -> None:
        self.curious.append(then)


class FakeOrigin:
    """A listener of `web` that leads everything to one service; None: no route matches."""

    def __init__(
        self,
        clock: VirtualClock,
        upstream: FakeUpstream | None,
        *,
        timeout: float | None = None,
        gates: tuple[Gate, ...] = (),
    ) -> None:
        self.make: type[Exchange] = GatedExchange if gates else Exchange
        telemetry = Telemetry(clock)
        self.name = "web->orders"
        self.source = "web"
        self.unrouted = telemetry.counters.of(CounterKey("web", "", "-"))
        self.counters = telemetry.counters.of(CounterKey("web", "orders", "/*"))
        self.ring = telemetry.ring
        self.router: object = object()
        self.monotonic = clock.monotonic
        self.random_bits = Random(7).getrandbits
        self.planned = 0
        self._route = (
            None
            if upstream is None
            else BoundRoute(Route("orders", timeout=timeout), upstream, self.counters, Identity(DOMAIN, "web"), gates)
        )

    def plan(self, server: ServerStream, head: RequestHead) -> Plan:
        self.planned += 1
        if self._route is None:
            return Plan(self.router, reason=NO_ROUTE, detail="nothing matches")
        return Plan(self.router, self._route, self._route.outgoing(head, b""))
