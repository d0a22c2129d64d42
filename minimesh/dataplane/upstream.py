"""A service as something to send to: its endpoints, their kept connections, and dialling."""

import asyncio
import contextlib
import errno
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connecting import DialError, connect, join
from minimesh.dataplane.connections import ClientConnection, Dialled, Loose, MultiplexedConnection, Opens, is_secured
from minimesh.dataplane.destination import Dial, Pool
from minimesh.dataplane.heads import OutgoingHead
from minimesh.dataplane.hub import Hub
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.streams import ClientEvents, ClientStream
from minimesh.dataplane.tls.handshakes import Handshakes
from minimesh.dataplane.tls.originate import HTTP1, HTTP2, OtherProtocol, originate
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address, Dialable
from minimesh.model.egress import Origination
from minimesh.model.reason import CONNECT_TIMEOUT, OUT_OF_DESCRIPTORS, UPSTREAM_REFUSED, Reason
from minimesh.model.service import Protocol
from minimesh.model.transcoding import Transcoding
from minimesh.policy.admission import Admission
from minimesh.policy.balance import RoundRobin

if TYPE_CHECKING:
    from minimesh.dataplane.transcoding.compiled import Compiled

C = TypeVar("C", ClientConnection, MultiplexedConnection, Dialled)

KEPT_SECONDS = 60.0
KEPT_CONNECTIONS = 1024
MOST_DIALS = 64
_HTTP2 = (Protocol.H2, Protocol.GRPC)
_GONE = select.POLLIN | select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class EndpointPool:
    """The connections to one endpoint, the one used last on top: so the fewest are kept busy."""

    def __init__(self, spec: snapshot.Endpoint, upstream: "Upstream") -> None:
        self.spec = spec
        self.name = spec.name
        self.wheel = upstream.wheel
        self.idle_limit = upstream.spec.timeouts.idle
        self.keep_limit = KEPT_SECONDS
        self._dialling = self._opening = 0
        self._waiting: deque[Dial] = deque()
        self._upstream = upstream
        self._idle: list[ClientConnection] = []
        self._open: set[Dialled] = set()
        self._loose: set[Loose] = set()
        self._first_address = 0
        self._retired = False
        self.insists = upstream.spec.protocol in _HTTP2
        self.multiplexes: bool | None = True if self.insists else None
        self.tunnels = False
        self._only_http2 = self.insists
        self._hub = Hub(self)

    @property
    def outbox(self) -> Outbox:
        return self._upstream.outbox

    @property
    def active(self) -> int:
        """Exchanges on its connections, or that wait for one; flows that are owed an answer."""
        return len(self._open) - len(self._idle) + self._opening + len(self._waiting) + self._hub.active + self._owed

    @property
    def idle(self) -> int:
        """Connections without an exchange, and flows that are owed nothing."""
        return len(self._idle) + self._hub.idle + len(self._loose) - self._owed

    @property
    def _owed(self) -> int:
        return sum(flow.owed for flow in self._loose)

    def _by_http2(self, request: OutgoingHead) -> bool:
        """HTTP/2 goes on as it came, unless the endpoint does not know it; HTTP/1 as well, unless that is so there.
        A WebSocket goes by HTTP/1 until the endpoint has shown that it takes it otherwise: few do."""
        if request.upgrade:
            return self._only_http2 or (request.multiplexed and self.tunnels)
        return self.multiplexes is not False if request.multiplexed else self._only_http2

    def take(self, exchange: ClientEvents, request: OutgoingHead, sure: bool) -> ClientStream | None:
        if request.upgrade:
            if self._by_http2(request):
                return self._hub.take(exchange, sure, tunnel=True)
        elif self.multiplexes is not False if request.multiplexed else self._only_http2:
            return self._hub.take(exchange, sure)
        idle = self._idle
        while idle:
            connection = idle.pop()
            if sure and self.was_closed(connection.transport):
                connection.transport.close()
                continue
            connection.attend(exchange)
            return connection
        return None

    def dial(self, exchange: ClientEvents, request: OutgoingHead) -> Dial:
        """A new one, which will come as `client_ready` or `client_failed`."""
        if self._by_http2(request):
            return self._hub.dial(exchange, bool(request.upgrade))
        dial = Dial(exchange)
        self.fall_back(dial)
        return dial

    def fall_back(self, dial: Dial) -> None:
        """Wait for a connection of HTTP/1, after an attempt at HTTP/2 or without one: first come, first served, by one
        that is dialled or one that becomes free, since an endpoint that takes few at once leaves others outside.
        As many are dialled as wait, but not more at once than a loop that is behind can follow."""
        self._waiting.append(dial)
        self._dial_for_them()

    def _dial_for_them(self) -> None:
        while self._dialling < min(len(self._waiting), MOST_DIALS):
            self._dialling += 1
            self._upstream.spawn(self._dial())

    def spawn_dial(self, hub: Hub) -> None:
        self._upstream.spawn(hub.dial_one())

    def does_not_multiplex(self) -> None:
        self.multiplexes = self.tunnels = self._only_http2 = False

    def speaks_http2(self) -> None:
        """So it has shown to a request of HTTP/1, which it could not read."""
        self.multiplexes = self._only_http2 = True

    async def find_out(self) -> None:
        """What the endpoint speaks."""
        if self.multiplexes is None:
            await self._hub.look()

    @property
    def first_word(self) -> float:
        return self._upstream.spec.timeouts.connect

    def was_closed(self, transport: asyncio.Transport) -> bool:
        """Whether the endpoint's close has arrived but not been seen yet. Costs a system call, so only requests that
        must not be sent twice ask."""
        if transport.is_closing():
            return True
        descriptor: int = transport.get_extra_info("socket").fileno()
        poll = select.poll()
        poll.register(descriptor, _GONE)
        return bool(poll.poll(0))

    def release(self, connection: ClientConnection) -> None:
        if self._waiting and (exchange := self._next()) is not None:
            connection.attend(exchange)
            exchange.client_ready(connection)
        elif self._retired or len(self._idle) >= KEPT_CONNECTIONS:
            connection.transport.close()
        else:
            self._idle.append(connection)

    def _next(self) -> ClientEvents | None:
        """Who waits for a connection, the first of those that still do."""
        while self._waiting:
            dial = self._waiting.popleft()
            exchange, dial.exchange = dial.exchange, None
            if exchange is not None:
                return exchange
        return None

    def lost(self, connection: Dialled) -> None:
        self._open.discard(connection)
        if isinstance(connection, ClientConnection):
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)

    def retire(self) -> None:
        """No new exchange comes; what runs is left to end."""
        self._retired = True
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
        self._hub.retire()
        for flow in self._loose:
            flow.leave()

    def close(self) -> None:
        self.retire()
        for connection in tuple(self._open):
            connection.transport.abort()
        self._hub.close()

    def hand_over(self) -> list[int]:
        """The descriptors of the idle connections, for the next image of this process."""
        return [
            connection.transport.get_extra_info("socket").fileno()
            for connection in self._idle
            if not connection.transport.is_closing() and not is_secured(connection.transport)
        ]

    async def adopt(self, idle: socket.socket) -> None:
        """Keep a connection that an earlier image of this process kept."""
        loop, codec = self._upstream.loop, self._upstream.codec
        try:
            connection = await join(loop, lambda: codec.client(self), idle)
        except OSError:
            idle.close()
            return
        self._open.add(connection)
        connection.go_on()
        self.release(connection)

    async def _dial(self) -> None:
        made = await self._connect(self._client)
        self._dialling -= 1
        if isinstance(made, tuple):
            # Whoever would have no dial any more is told as well: it would only wait to hear the same.
            while len(self._waiting) > self._dialling and (exchange := self._next()) is not None:
                exchange.client_failed(*made)
            return
        self._open.add(made)
        exchange = self._next()
        if exchange is None:
            made.go_on()
            self.release(made)
        else:
            made.attend(exchange)
            exchange.client_ready(made)
        self._dial_for_them()

    def _client(self) -> ClientConnection:
        """What speaks on a connection that carries one exchange at a time."""
        return self._upstream.codec.client(self)

    def open(self, tunnel: Opens) -> None:
        """A connection that is the tunnel's own, which comes as `opened` or `not_opened`, never during this call."""
        self._opening += 1
        self._upstream.spawn(self._open_for(tunnel))

    async def _open_for(self, tunnel: Opens) -> None:
        made = await self._connect(lambda: tunnel.far_side(self))
        self._opening -= 1
        if isinstance(made, tuple):
            tunnel.not_opened(*made)
        else:
            self._open.add(made)
            tunnel.opened()

    def join(self, flow: Loose) -> None:
        """It sends to this endpoint from now on."""
        self._loose.add(flow)

    def part(self, flow: Loose) -> None:
        self._loose.discard(flow)

    async def connect_multiplexed(self) -> MultiplexedConnection | tuple[Reason, str] | None:
        hub = self._hub
        try:
            return await self._connect(
                lambda: self._upstream.codec.multiplexed_client(hub), (HTTP2,) if self.insists else (HTTP2, HTTP1)
            )
        except OtherProtocol:
            return None

    async def _connect(self, make: Callable[[], C], alpn: tuple[str, ...] = (HTTP1,)) -> C | tuple[Reason, str]:
        """A connection, or why there is none. alpn: what TLS may agree on, first what is meant.

        Raises OtherProtocol."""
        timeout = self._upstream.spec.timeouts.connect
        knew = self._only_http2
        try:
            async with asyncio.timeout(timeout):
                return await self._try_each(make, alpn)
        except TimeoutError:
            return CONNECT_TIMEOUT, f"{self._addresses()} did not accept within {timeout:g} s"
        except OtherProtocol:
            raise
        except DialError as error:
            return error.reason, error.detail
        except OSError as error:
            full = error.errno in (errno.EMFILE, errno.ENFILE)
            if not full and not self.insists and self._only_http2 is knew:
                # What comes back at this address may speak something else.
                self.multiplexes, self.tunnels, self._only_http2 = None, False, False
            failure = OUT_OF_DESCRIPTORS if full else UPSTREAM_REFUSED
            return failure, f"connect {self._addresses()}: {error.strerror or error}"

    async def _try_each(self, make: Callable[[], C], alpn: tuple[str, ...]) -> C:
        """Each address, the one that answered last time first. Raises the last OSError."""
        loop = self._upstream.loop
        failure = OSError("the endpoint has no address")
        for address in await self._found():
            try:
                if isinstance(address, Address) and address.tls:
                    connection = await self._upstream.originate(make, address, alpn)
                else:
                    connection = await connect(loop, make, address)
            except OtherProtocol:
                raise
            except OSError as error:
                failure = error
                continue
            if connection.transport.is_closing():
                # Closed as soon as it was accepted: an exchange that came to it now would never hear of that.
                failure = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                continue
            self.answered_at(address)
            return connection
        raise failure

    async def _found(self) -> Sequence[Dialable]:
        """Where it may be."""
        return self.in_turn()

    def in_turn(self) -> tuple[Dialable, ...]:
        """Its addresses, the one that answered last time first."""
        first, addresses = self._first_address, self.spec.addresses
        return (*addresses[first:], *addresses[:first])

    def answered_at(self, address: Dialable) -> None:
        self._first_address = self.spec.addresses.index(address)

    def _addresses(self) -> str:
        return " and ".join(map(str, self.spec.addresses))


class Upstream:
    """Outlives snapshots: pools are carried over by the endpoint's name and addresses."""

    def __init__(
        self,
        spec: snapshot.Upstream,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        outbox: Outbox,
        codec: Codec,
        *,
        pool: "Callable[[snapshot.Endpoint, Upstream], EndpointPool]" = EndpointPool,
    ) -> None:
        """pool: makes that of an endpoint."""
        self.spec = spec
        self.loop = loop
        self.wheel = wheel
        self.outbox = outbox
        self.codec = codec
        self.trouble = ""
        """Why the last handshake with it failed, as long as none has succeeded since."""
        self.admission = Admission(spec.breaker)
        self.pools: tuple[EndpointPool, ...] = ()
        self._retired: list[EndpointPool] = []
        self._pool = pool
        self._balance = RoundRobin()
        self._tasks: set[asyncio.Task[None]] = set()
        self._curious: list[Callable[[], None]] = []
        self.apply(spec)

    def apply(self, spec: snapshot.Upstream) -> None:
        before, self.spec = self.spec, spec
        self.transcoded = _transcoded(spec.transcoding)
        fit = spec.protocol in _HTTP2
        kept = {pool.spec: pool for pool in self.pools if pool.insists is fit and before.tls == spec.tls}
        left = [pool for pool in self.pools if pool.spec not in kept]
        self.pools = tuple(
            kept.pop(endpoint) if endpoint in kept else self._pool(endpoint, self) for endpoint in spec.endpoints
        )
        for pool in self.pools:
            pool.idle_limit = spec.timeouts.idle
        self._retire((*kept.values(), *left))
        self.admission.apply(spec.breaker)

    @property
    def busy(self) -> bool:
        """An exchange is under way at one of its endpoints, be it one that it no longer has."""
        return any(pool.active for pool in (*self.pools, *self._retired))

    def active(self, endpoint: str) -> int:
        """Exchanges under way at an endpoint, be it one that it no longer has."""
        return sum(pool.active for pool in (*self.pools, *self._retired) if pool.name == endpoint)

    def retire(self) -> None:
        """The service is gone; exchanges that began before still get to its endpoints."""
        for pool in self.pools:
            pool.retire()

    def _retire(self, pools: Iterable[EndpointPool]) -> None:
        self._retired = [pool for pool in self._retired if pool.active]
        for pool in pools:
            pool.retire()
            self._retired.append(pool)

    def pick(self, avoid: Pool | None = None) -> EndpointPool | None:
        return self._balance.pick(self.pools, avoid)

    @property
    def takes_grpc(self) -> bool | None:
        """Said, or shown by speaking HTTP/2. Where nothing answers, nobody minds."""
        if self.spec.protocol is not None:
            return self.spec.protocol in _HTTP2
        shown = {pool.multiplexes for pool in self.pools}
        if True in shown or not shown:
            return True
        return None if None in shown else False

    def find_out(self, then: Callable[[], None]) -> None:
        self._curious.append(then)
        if len(self._curious) == 1:
            self.spawn(self._find_out())

    async def _find_out(self) -> None:
        for pool in self.pools:
            if self.takes_grpc is None:
                await pool.find_out()
        curious, self._curious = self._curious, []
        for then in curious:
            then()

    @cached_property
    def handshakes(self) -> Handshakes:
        return Handshakes(self.loop.call_soon)

    async def originate(self, make: Callable[[], C], address: Address, alpn: tuple[str, ...]) -> C:
        tls, limit = self.spec.tls or Origination(), self.spec.timeouts.connect
        try:
            made = await originate(self.loop, make, address, tls, self, alpn=alpn, limit=limit)
        except OtherProtocol:
            raise
        except DialError as error:
            self.trouble = error.detail
            raise
        self.trouble = ""
        return made

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        for pool in (*self.pools, *self._retired):
            pool.close()


def _transcoded(transcoding: Transcoding | None) -> "Compiled | bool":
    if transcoding is None or transcoding.api is None:
        return transcoding is not None
    from minimesh.dataplane.transcoding.compiled import Compiled  # noqa: PLC0415 - protobuf, for who asks for it alone

    return Compiled(transcoding.api)
