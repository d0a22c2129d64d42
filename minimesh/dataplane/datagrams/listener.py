"""A bound address where datagrams come in."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Mapping

from minimesh.dataplane.bound import Around, Bound
from minimesh.dataplane.datagrams.flow import LAST_WORD, PROTOCOL, Client, Data, Flow
from minimesh.dataplane.tunnel.way import Way, guarded_way
from minimesh.dataplane.upstream import EndpointPool, Upstream
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.reason import OVERLOADED
from minimesh.telemetry.counters import CounterKey

LARGEST_DATAGRAM = 65_535
"""With its heads; of bytes to pass on there are at most 65,507 with IPv4."""
DATAGRAMS_A_TURN = 64
RECEIVE_BUFFER = 1024 * 1024
"""Bytes that the kernel is asked to keep for us while the loop is elsewhere; it gives what it may."""
_REFUSALS_KEPT = 1024


class UdpListener(Bound):
    """Each address of a caller has a flow of its own, as long as something comes. What has no room is dropped."""

    _way: Way

    def __init__(self, spec: snapshot.Listener, bound: socket.socket, around: Around) -> None:
        super().__init__(spec, bound, around)
        self.buffer = memoryview(bytearray(LARGEST_DATAGRAM))
        self._flows: dict[Client, Flow] = {}
        self._leaving: set[Flow] = set()
        """To endpoints that leave, of callers that have another flow already."""
        self._refusals: dict[Client, EndpointPool] = {}
        """Where nobody listened, for the next flow of the same caller."""
        self._turned_away: dict[Client, float] = {}
        """Until when (monotonic) a caller is not told anew, and leaves no further record, that it may not call."""

    @property
    def connections(self) -> int:
        return len(self._flows) + len(self._leaving)

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        (route,) = spec.routes
        counters = self._counters.of(CounterKey(self.source, route.to, PROTOCOL))
        self._way = guarded_way(spec, route, upstreams[route.to], counters, self._guardians)
        self._refusals.clear()
        self._turned_away.clear()

    def _arrived(self) -> None:
        bound, buffer, flows = self._socket, self.buffer, self._flows
        for _ in range(DATAGRAMS_A_TURN):
            try:
                size, client = bound.recvfrom_into(buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # not every system keeps to itself what became of an answer
            flow = flows.get(client)
            if flow is None or not flow.take(buffer[:size]):
                self._begin(client, buffer[:size])

    def _begin(self, client: Client, data: Data) -> None:
        if self._turned_away and self._turned_away.get(client, 0.0) > self.monotonic():
            return
        refusal = self._way.refuses(self.caller)
        if refusal is not None:
            if len(self._turned_away) >= _REFUSALS_KEPT:
                self._turned_away.clear()
            self._turned_away[client] = self.monotonic() + LAST_WORD
            Flow(self, self._way, client).refuse(refusal.reason, refusal.said)
            return
        flow = Flow(self, self._way, client)
        leaving = self._flows.pop(client, None)
        if leaving is not None:
            self._leaving.add(leaving)
        if len(self._flows) >= self.limits.connections:
            limit = self.limits.connections
            flow.refuse(OVERLOADED, f"{limit} flows are open at {self.name}, as many as there may be")
        elif flow.begin(data, self._refusals.pop(client, None)):
            self.accepted += 1
            self._flows[client] = flow

    # --- from the flows ----------------------------------------------------------------------------------------

    def connect(self, address: Address) -> socket.socket:
        connected = socket.socket(_family(address.host), socket.SOCK_DGRAM)
        try:
            connected.setblocking(False)
            connected.connect((address.host, address.port))
            # A port that nobody listens on may be chosen for our own end, which would then answer itself.
            if connected.getsockname()[:2] == (address.host, address.port):
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        except BaseException:
            connected.close()
            raise
        return connected

    def answer(self, data: Data, client: Client) -> None:
        self._socket.sendto(data, client)

    def read(self, connected: socket.socket, arrived: Callable[[], None] | None) -> None:
        if arrived is None:
            self._loop.remove_reader(connected)
        else:
            self._loop.add_reader(connected, arrived)

    def over(self, flow: Flow, refused: EndpointPool | None) -> None:
        client = flow.client
        self._leaving.discard(flow)
        if self._flows.get(client) is flow:
            del self._flows[client]
        if refused is not None:
            if len(self._refusals) >= _REFUSALS_KEPT:
                self._refusals.clear()
            self._refusals[client] = refused

    # --- its end -----------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Without the address no answer gets back, so every flow ends."""
        self.close()

    def close(self) -> int:
        super().drain()
        return self._end_all("its listener closed")

    def _end_all(self, why: str) -> int:
        """How many of them were owed an answer."""
        return sum(flow.end(why) for flow in self._all())

    def _all(self) -> tuple[Flow, ...]:
        return (*self._flows.values(), *self._leaving)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def busy(self, since: float) -> bool:
        """An answer is under way. None takes long, so it does not matter since when."""
        return any(flow.owed for flow in self._all())

    def cut_busy(self) -> int:
        """All flows, which begin anew with the next datagram; those without an answer under way lose nothing."""
        return self._end_all("the mesh was upgraded")


def bind_datagrams(spec: snapshot.Listener) -> socket.socket:
    """A bound socket, close-on-exec. Raises OSError when the address cannot be had.

    Without SO_REUSEADDR, which would let another program have the same port and take its datagrams."""
    host, port = spec.address.host, spec.address.port
    family = _family(host)
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.setblocking(False)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
