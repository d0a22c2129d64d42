"""A bound address where bytes come in that the mesh does not look at."""

import asyncio
import socket
from collections.abc import Callable, Mapping

from minimesh.dataplane.acceptor import Acceptor
from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.ids import RandomBits
from minimesh.dataplane.tunnel.tunnel import PROTOCOL, Tunnel
from minimesh.dataplane.tunnel.way import Way
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.telemetry import Telemetry
from minimesh.telemetry.counters import CounterKey


class TcpListener(Acceptor):
    """Each of its connections becomes a tunnel of its own, all to one service."""

    way: Way

    def __init__(
        self,
        spec: snapshot.Listener,
        bound: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        telemetry: Telemetry,
        monotonic: Callable[[], float],
        random_bits: RandomBits,
    ) -> None:
        super().__init__(spec, bound, loop=loop, wheel=wheel)
        self.ring = telemetry.ring
        self.monotonic = monotonic
        self.random_bits = random_bits
        self._counters = telemetry.counters

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        service = spec.routes[0].to
        self.way = Way(upstreams[service], self._counters.of(CounterKey(self.source, service, PROTOCOL)))

    def _connection(self) -> ServerConnection:
        near = Tunnel(self).near
        assert near is not None, "it was only just made"
        return near
