"""A bound address: accepts connections, decides what each head means, and makes the exchanges."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Collection

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.ids import RandomBits
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.router import Router, host_of
from minimesh.dataplane.streams import ServerStream
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.reason import CROSS_SITE, FOREIGN_HOST, NO_ROUTE, Reason
from minimesh.telemetry import Telemetry
from minimesh.telemetry.counters import CounterKey

BACKLOG = 4096
ACCEPTS_A_TURN = 64
_REST = 0.25
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_HEAD = RequestHead(b"", b"", b"")


class Listener:
    """Survives snapshots: `apply` swaps what it does, connections stay."""

    def __init__(
        self,
        spec: snapshot.Listener,
        bound: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        outbox: Outbox,
        telemetry: Telemetry,
        codec: Codec,
        monotonic: Callable[[], float],
        random_bits: RandomBits,
    ) -> None:
        self.spec = spec
        self.limits = spec.limits
        self.name = spec.name
        self.source = spec.source.service
        self.wheel = wheel
        self.outbox = outbox
        self.ring = telemetry.ring
        self.unrouted = telemetry.counters.of(CounterKey(self.source, "", "-"))
        self.monotonic = monotonic
        self.random_bits = random_bits
        self.draining = False
        self.accepted = 0
        self.paused = False
        self.router: Router[BoundRoute] = Router(())
        self._counters = telemetry.counters
        self._codec = codec
        self._loop = loop
        self._socket = bound
        self.address: tuple[str, int] = bound.getsockname()[:2]
        """Where it really is (or was, once it drains)."""
        self._adopting: set[asyncio.Task[object]] = set()
        self._unopened = 0
        self._connections: set[ServerConnection] = set()
        self._hosts: frozenset[bytes] = frozenset()
        self._domain = b""
        self._named: frozenset[bytes] = frozenset()
        self._rest: asyncio.TimerHandle | None = None
        self._frozen = False

    @property
    def connections(self) -> int:
        return len(self._connections) + self._unopened

    def apply(self, spec: snapshot.Listener, upstreams: dict[str, Upstream]) -> None:
        self.spec = spec
        self.limits = spec.limits
        self._hosts = self._own_hosts() if spec.kind is snapshot.ListenerKind.OUTBOUND else frozenset()
        self.router = Router(
            (
                route.host,
                route.path,
                BoundRoute(
                    route,
                    upstreams[route.to],
                    self._counters.of(CounterKey(self.source, route.to, route.name)),
                    spec.source,
                ),
            )
            for route in (*spec.routes, *spec.names)
        )
        self._domain = f".{spec.domain}".encode() if spec.domain else b""
        self._named = frozenset((route.host or "").encode() for route in spec.names)
        self._make_room()

    def leads_to(self, services: Collection[str]) -> bool:
        return any(route.to in services for route in (*self.spec.routes, *self.spec.names))

    def _own_hosts(self) -> frozenset[bytes]:
        """What a program may call an outbound address: a web page that was tricked into calling it says another."""
        port = self.address[1]
        names = ("127.0.0.1", "localhost", "[::1]", self.spec.address.host, *(route.to for route in self.spec.routes))
        return frozenset(text.encode() for name in names for text in (name, f"{name}:{port}"))

    # --- connections -------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def release(self) -> None:
        """Let go of the address; connections stay. Undone by `hold`, or followed by `drain`."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if not self.paused:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def hold(self, bound: socket.socket) -> None:
        """Listen again where `release` let go."""
        self._socket = bound
        self.paused = False
        self.start()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if self.connections >= self.limits.connections:
                self._pause()
                return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _FULL:
                    self._pause()
                    self._rest = self._loop.call_later(_REST, self._resume)
                    return
                # The caller gave up between the kernel's accept and ours (ECONNABORTED and its like).
                continue
            accepted.setblocking(False)
            self.accepted += 1
            self.adopt(accepted)

    def adopt(self, accepted: socket.socket, early: bytes = b"") -> None:
        """Serve a connection that is made already; `early` was read of it before."""
        self._unopened += 1
        task = self._loop.create_task(self._adopt(accepted, early))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, accepted: socket.socket, early: bytes) -> None:
        connection = self._codec.server(self)
        if early:
            connection.inherit(early)
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            accepted.close()
            self._unopened -= 1
            self._make_room()
            return
        if early:
            connection.go_on()

    def _pause(self) -> None:
        """Leave callers in the backlog rather than accept what cannot be served."""
        if not self.paused:
            self.paused = True
            self._loop.remove_reader(self._socket)

    def _resume(self) -> None:
        self._rest = None
        if self.paused and not self.draining:
            self.paused = False
            if not self._frozen:
                self._loop.add_reader(self._socket, self._accept)

    def _make_room(self) -> None:
        """There may be room again for who waits in the backlog; if not, the next accept finds out."""
        if self.paused and self._rest is None:
            self._resume()

    def opened(self, connection: ServerConnection) -> None:
        self._unopened -= 1
        self._connections.add(connection)
        if self.draining:
            connection.drain()
        elif self._frozen:
            connection.freeze()

    def successor(self, connection: ServerConnection) -> ServerConnection:
        self._connections.discard(connection)
        self._unopened += 1
        return self._codec.multiplexed_server(self)

    def closed(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        self._make_room()

    def drain(self) -> None:
        """Accept no more; each connection closes after the answer that it is at."""
        if self.draining:
            return
        self.draining = True
        if self._socket.fileno() >= 0:
            self.release()
        for connection in tuple(self._connections):
            connection.drain()

    def close(self) -> int:
        """Cut what is left; the number of connections that were."""
        self.drain()
        left = tuple(self._connections)
        for connection in left:
            connection.abort()
        return len(left)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """Leave callers in the backlog, and every connection before its next request."""
        self._frozen = True
        if not self.paused and not self.draining:
            self._loop.remove_reader(self._socket)
        for connection in tuple(self._connections):
            connection.freeze()

    def thaw(self) -> None:
        self._frozen = False
        if not self.paused and not self.draining:
            self._loop.add_reader(self._socket, self._accept)
        for connection in tuple(self._connections):
            connection.thaw()

    def busy(self, since: float) -> bool:
        """Something is under way that began after `since` (monotonic)."""
        return bool(self._unopened) or any(
            began is not None and began > since for began in map(_busy_since, self._connections)
        )

    def cut_busy(self) -> int:
        """Cut the exchanges that are under way; how many there were."""
        return sum(connection.cut_short("the mesh was upgraded") for connection in tuple(self._connections))

    def hand_over(self) -> tuple[int, list[tuple[int, bytes]]]:
        """The descriptor of the socket, and of each frozen connection its own and what was read of it."""
        idle = [each for each in self._connections if each.busy_since() is None]
        return self._socket.fileno(), [each.hand_over() for each in idle]

    # --- requests ----------------------------------------------------------------------------------------------

    def exchange(self, server: ServerStream, head: RequestHead) -> Exchange:
        return Exchange(self, server, head)

    def refuse(self, server: ServerStream, reason: Reason, detail: str) -> None:
        """Answer what never became a request."""
        Exchange(self, server, _NO_HEAD).refuse(Plan(self.router, reason=reason, detail=detail))

    def plan(self, server: ServerStream, head: RequestHead) -> Plan:
        if self._hosts:
            if head.authority and head.authority not in self._hosts:
                return self._refusal(FOREIGN_HOST, f"this is where {self.source} calls {self.spec.routes[0].to}")
            if head.cross_site:
                return self._refusal(CROSS_SITE, "Sec-Fetch-Site says that a web page of another site asked")
        if self._domain and (refused := self._stranger(head)) is not None:
            return refused
        route = self.router.find(head.authority, head.path)
        if route is None:
            return self._refusal(NO_ROUTE, f"{head.authority.decode('latin-1')}{head.path.decode('latin-1')}")
        forwarded = head.forwarded.http1 if self._hosts else self._forwarded(server, head)
        return Plan(self.router, route, route.outgoing(head, forwarded))

    def _stranger(self, head: RequestHead) -> Plan | None:
        """What is not to be taken for a service of the project, nor to be called as one from a page elsewhere."""
        host = host_of(head.authority)
        if not host.endswith(self._domain):
            return None
        if host in self._named:
            return (
                self._refusal(CROSS_SITE, "Sec-Fetch-Site says another site's page asked") if head.cross_site else None
            )
        if self.router.has_host(host):
            return None
        name = host.removesuffix(self._domain).decode("latin-1")
        known = ", ".join(sorted(route.to for route in self.spec.names))
        return self._refusal(NO_ROUTE, f"there is no service {name} in {self.spec.domain}; there are {known}"[:500])

    def _refusal(self, reason: Reason, detail: str) -> Plan:
        return Plan(self.router, reason=reason, detail=detail)

    @staticmethod
    def _forwarded(server: ServerStream, head: RequestHead) -> bytes:
        """At the edge nothing is believed of what a caller says about others before it."""
        client = server.peer.rpartition(":")[0].encode()
        lines = b"x-forwarded-for: %b\r\nx-forwarded-proto: http\r\n" % client
        return lines + b"x-forwarded-host: %b\r\n" % head.authority if head.authority else lines


def _busy_since(connection: ServerConnection) -> float | None:
    return connection.busy_since()


def bind(spec: snapshot.Listener) -> socket.socket:
    """A listening socket, close-on-exec. Raises OSError when the address cannot be had."""
    host, port = spec.address.host, spec.address.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except BaseException:
        with contextlib.suppress(OSError):
            bound.close()
        raise
    return bound
