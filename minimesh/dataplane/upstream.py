"""A service as something to send to: its endpoints, their kept connections, and dialling."""

import asyncio
import contextlib
import errno
import os
import select
import socket
from collections.abc import Coroutine, Iterable

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connections import ClientConnection
from minimesh.dataplane.destination import Dial, Pool
from minimesh.dataplane.streams import ClientEvents, ClientStream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.reason import CONNECT_TIMEOUT, OUT_OF_DESCRIPTORS, UPSTREAM_REFUSED
from minimesh.policy.admission import Admission
from minimesh.policy.balance import RoundRobin

KEPT_SECONDS = 60.0
KEPT_CONNECTIONS = 1024
_GONE = select.POLLIN | select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class EndpointPool:
    """The connections to one endpoint, the one used last on top: so the fewest are kept busy."""

    def __init__(self, spec: snapshot.Endpoint, upstream: "Upstream") -> None:
        self.spec = spec
        self.name = spec.name
        self.wheel = upstream.wheel
        self.idle_limit = upstream.spec.timeouts.idle
        self.keep_limit = KEPT_SECONDS
        self._dialling = 0
        self._upstream = upstream
        self._idle: list[ClientConnection] = []
        self._open: set[ClientConnection] = set()
        self._first_address = 0
        self._retired = False

    @property
    def active(self) -> int:
        """Connections with an exchange on them, those being dialled included."""
        return len(self._open) - len(self._idle) + self._dialling

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self, exchange: ClientEvents, sure: bool) -> ClientStream | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if sure and self._was_closed(connection):
                connection.transport.close()
                continue
            connection.attend(exchange)
            return connection
        return None

    def dial(self, exchange: ClientEvents) -> Dial:
        """A new one, which will come as `client_ready` or `client_failed`."""
        dial = Dial(exchange)
        self._dialling += 1
        self._upstream.spawn(self._dial(dial))
        return dial

    def _was_closed(self, connection: ClientConnection) -> bool:
        """Whether the endpoint's close has arrived but not been seen yet. Costs a system call, so only requests that
        must not be sent twice ask."""
        if connection.transport.is_closing():
            return True
        descriptor: int = connection.transport.get_extra_info("socket").fileno()
        poll = select.poll()
        poll.register(descriptor, _GONE)
        return bool(poll.poll(0))

    def release(self, connection: ClientConnection) -> None:
        if self._retired or len(self._idle) >= KEPT_CONNECTIONS:
            connection.transport.close()
        else:
            self._idle.append(connection)

    def lost(self, connection: ClientConnection) -> None:
        self._open.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def retire(self) -> None:
        """No new exchange comes; what runs is left to end."""
        self._retired = True
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()

    def close(self) -> None:
        self.retire()
        for connection in tuple(self._open):
            connection.transport.abort()

    def hand_over(self) -> list[int]:
        """The descriptors of the idle connections, for the next image of this process."""
        return [
            connection.transport.get_extra_info("socket").fileno()
            for connection in self._idle
            if not connection.transport.is_closing()
        ]

    async def adopt(self, idle: socket.socket) -> None:
        """Keep a connection that an earlier image of this process kept."""
        loop, codec = self._upstream.loop, self._upstream.codec
        try:
            _, connection = await loop.create_connection(lambda: codec.client(self), sock=idle)
        except OSError:
            idle.close()
            return
        self._open.add(connection)
        connection.go_on()
        self.release(connection)

    async def _dial(self, dial: Dial) -> None:
        timeout = self._upstream.spec.timeouts.connect
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connect()
        except TimeoutError:
            failure, detail = CONNECT_TIMEOUT, f"{self._addresses()} did not accept within {timeout:g} s"
        except OSError as error:
            full = error.errno in (errno.EMFILE, errno.ENFILE)
            failure = OUT_OF_DESCRIPTORS if full else UPSTREAM_REFUSED
            detail = f"connect {self._addresses()}: {error.strerror or error}"
        else:
            self._dialling -= 1
            self._open.add(connection)
            exchange, dial.exchange = dial.exchange, None
            if exchange is None:
                # Its caller left. Kept, it would be a connection that no answer has shown to be good.
                connection.transport.close()
            else:
                connection.attend(exchange)
                exchange.client_ready(connection)
            return
        self._dialling -= 1
        exchange, dial.exchange = dial.exchange, None
        if exchange is not None:
            exchange.client_failed(failure, detail)

    async def _connect(self) -> ClientConnection:
        """Try each address, the one that answered last time first. Raises the last OSError."""
        loop, codec = self._upstream.loop, self._upstream.codec
        addresses = self.spec.addresses
        failure = OSError("the endpoint has no address")
        for step in range(len(addresses)):
            index = (self._first_address + step) % len(addresses)
            try:
                _, connection = await loop.create_connection(
                    lambda: codec.client(self), addresses[index].host, addresses[index].port
                )
            except OSError as error:
                failure = error
                continue
            if connection.transport.is_closing():
                # Closed as soon as it was accepted: an exchange that came to it now would never hear of that.
                failure = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                continue
            self._first_address = index
            return connection
        raise failure

    def _addresses(self) -> str:
        return " and ".join(map(str, self.spec.addresses))


class Upstream:
    """Outlives snapshots: pools are carried over by the endpoint's name and addresses."""

    def __init__(self, spec: snapshot.Upstream, loop: asyncio.AbstractEventLoop, wheel: Wheel, codec: Codec) -> None:
        self.spec = spec
        self.loop = loop
        self.wheel = wheel
        self.codec = codec
        self.admission = Admission(spec.breaker)
        self.pools: tuple[EndpointPool, ...] = ()
        self._retired: list[EndpointPool] = []
        self._balance = RoundRobin()
        self._tasks: set[asyncio.Task[None]] = set()
        self.apply(spec)

    def apply(self, spec: snapshot.Upstream) -> None:
        self.spec = spec
        kept = {pool.spec: pool for pool in self.pools}
        self.pools = tuple(
            kept.pop(endpoint) if endpoint in kept else EndpointPool(endpoint, self) for endpoint in spec.endpoints
        )
        for pool in self.pools:
            pool.idle_limit = spec.timeouts.idle
        self._retire(kept.values())
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

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        for pool in (*self.pools, *self._retired):
            pool.close()
