"""The connections to one endpoint that carry many exchanges at once: opened and retired by load."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from minimesh.dataplane.connections import MultiplexedConnection
from minimesh.dataplane.destination import Dial
from minimesh.dataplane.streams import ClientEvents, ClientStream
from minimesh.model.reason import UPSTREAM_PROTOCOL, UPSTREAM_REFUSED, Reason

if TYPE_CHECKING:
    from minimesh.dataplane.outbox import Outbox
    from minimesh.dataplane.wheel import Wheel


class Owner(Protocol):
    """What a hub needs of its endpoint's pool.

    multiplexes: whether the endpoint speaks HTTP/2, None where nobody knows yet. insists: it was said to.
    tunnels: whether it takes WebSocket so, as far as is known."""

    wheel: Wheel
    idle_limit: float
    keep_limit: float
    multiplexes: bool | None
    insists: bool
    tunnels: bool

    @property
    def outbox(self) -> Outbox: ...

    async def connect_multiplexed(self) -> MultiplexedConnection | tuple[Reason, str] | None:
        """A connection, or why there is none; None: TLS has agreed on HTTP/1."""
        ...

    def spawn_dial(self, hub: Hub) -> None:
        """Run `hub.dial_one()` as a task."""
        ...

    def fall_back(self, dial: Dial) -> None:
        """The endpoint does not speak HTTP/2: dial for the exchange as HTTP/1."""
        ...

    def does_not_multiplex(self) -> None:
        """So it has shown."""
        ...

    def was_closed(self, transport: asyncio.Transport) -> bool: ...

    @property
    def first_word(self) -> float:
        """Seconds that an endpoint may take for its first word, while nobody knows what it speaks."""
        ...


class Hub:
    """While nobody knows what the endpoint speaks, exchanges wait for its first word: whoever knows HTTP/2 answers our
    preface with SETTINGS, whoever does not with an error of HTTP/1, and has taken no request."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.wheel = owner.wheel
        self.outbox = owner.outbox
        self._connections: list[MultiplexedConnection] = []
        self._retiring: set[MultiplexedConnection] = set()
        self._waiting: deque[Dial] = deque()
        self._dialling = 0
        self._retired = False
        self._settling: dict[MultiplexedConnection, asyncio.Future[bool]] = {}

    @property
    def idle_limit(self) -> float:
        return self._owner.idle_limit

    @property
    def keep_limit(self) -> float:
        return self._owner.keep_limit

    @property
    def active(self) -> int:
        """Exchanges, those that wait for a connection included."""
        return sum(each.active for each in (*self._connections, *self._retiring)) + len(self._waiting)

    @property
    def idle(self) -> int:
        """Connections without one."""
        return sum(not each.active for each in self._connections)

    def take(self, exchange: ClientEvents, sure: bool, tunnel: bool = False) -> ClientStream | None:
        """A stream on the first connection with room, so that the fewest are kept busy."""
        if self._waiting:
            return None
        settling = self._settling
        for connection in self._connections:
            if connection.room and not (settling and connection in settling) and (connection.told or not tunnel):
                if sure and not connection.active and self._owner.was_closed(connection.transport):
                    connection.abort()
                    return self.take(exchange, sure, tunnel) if connection not in self._connections else None
                return connection.open(exchange)
        return None

    def dial(self, exchange: ClientEvents, tunnel: bool = False) -> Dial:
        dial = Dial(exchange, tunnel)
        self.wait(dial)
        return dial

    async def look(self) -> None:
        """Dial for nobody, so that the endpoint shows what it speaks."""
        self._dialling += 1
        await self.dial_one()

    def wait(self, dial: Dial) -> None:
        self._waiting.append(dial)
        self._need()

    def _need(self) -> None:
        if self._waiting and not self._dialling:
            self._dialling += 1
            self._owner.spawn_dial(self)

    async def dial_one(self) -> None:
        made = await self._owner.connect_multiplexed()
        if made is None:
            self._dialling -= 1
            self._stranger("TLS agreed on HTTP/1.1")
            return
        if isinstance(made, tuple):
            self._dialling -= 1
            self._fail(*made)
            return
        self._connections.append(made)
        # RFC 8441, section 3: nobody asks for a tunnel before the endpoint has said that it takes any.
        unsettled = not made.told and (self._owner.multiplexes is None or any(dial.tunnel for dial in self._waiting))
        if unsettled and not await self._first_word(made):
            self._dialling -= 1
            self._need()
            return
        self._dialling -= 1
        self._serve()
        if self._waiting and not made.active:
            self._fail(UPSTREAM_REFUSED, "it takes connections, and no streams on them")
        if self._retired:
            made.withdraw()
        self._need()

    async def _first_word(self, connection: MultiplexedConnection) -> bool:
        """Whether it is that of HTTP/2."""
        word = self._settling[connection] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._owner.first_word):
                settled: bool = await word
                return settled
        except TimeoutError:
            connection.abort()
            self._stranger("it said nothing")
            return False
        finally:
            self._settling.pop(connection, None)

    def _serve(self) -> None:
        """Whoever waits, as far as there is room."""
        waiting = self._waiting
        for connection in tuple(self._connections):
            while waiting and connection.room and connection not in self._settling:
                if waiting[0].tunnel and not connection.told:
                    break
                dial = waiting.popleft()
                exchange, dial.exchange = dial.exchange, None
                if exchange is not None:
                    exchange.client_ready(connection.open(exchange))

    def _fail(self, reason: Reason, detail: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for dial in waiting:
            exchange, dial.exchange = dial.exchange, None
            if exchange is not None:
                exchange.client_failed(reason, detail)

    def _stranger(self, detail: str) -> None:
        owner = self._owner
        if owner.insists:
            self._fail(UPSTREAM_PROTOCOL, f"{detail}: it does not speak HTTP/2")
            return
        owner.does_not_multiplex()
        waiting, self._waiting = self._waiting, deque()
        for dial in waiting:
            owner.fall_back(dial)

    # --- from the connections ----------------------------------------------------------------------------------

    def settled(self, connection: MultiplexedConnection) -> None:
        self._owner.multiplexes = True
        self._owner.tunnels = connection.tunnels
        word = self._settling.get(connection)
        if word is not None and not word.done():
            word.set_result(True)

    def strange(self, connection: MultiplexedConnection, detail: str) -> None:
        word = self._settling.get(connection)
        if word is not None and not word.done():
            word.set_result(False)
        self.gone(connection)
        self._stranger(detail)

    def withdrawn(self, connection: MultiplexedConnection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._retiring.add(connection)

    def roomier(self, connection: MultiplexedConnection) -> None:
        if self._waiting:
            self._serve()
            self._need()

    def gone(self, connection: MultiplexedConnection) -> None:
        self._retiring.discard(connection)
        if connection in self._connections:
            self._connections.remove(connection)

    # --- its end -----------------------------------------------------------------------------------------------

    def retire(self) -> None:
        """No new exchange comes; what runs is left to end."""
        self._retired = True
        for connection in tuple(self._connections):
            if connection not in self._settling:
                connection.withdraw()

    def close(self) -> None:
        self._retired = True
        for connection in (*self._connections, *self._retiring):
            connection.abort()
