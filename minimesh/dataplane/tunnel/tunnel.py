"""One connection and its way through the mesh.

A tunnel joins a near side (towards the caller) and a far side (towards an endpoint). Its life:

    choosing   by the server name that the caller's TLS asks for; most listeners have one way and skip it
    dialling   at once, whether the caller has sent anything or not; what it sends meanwhile waits
    joined     bytes pass either way as they come; whoever does not take them holds back whoever sends them
    over       both have shut their side, or one was cut, which the other then sees as a reset

Whatever ends it ends in `_finish`, which leaves one record and no reference to either side.
"""

from __future__ import annotations

from math import inf

from minimesh.dataplane.connections import Home, cut
from minimesh.dataplane.ids import traceparent
from minimesh.dataplane.tunnel.hello import NotTlsError, server_name
from minimesh.dataplane.tunnel.sides import FarSide, NearSide, Side
from minimesh.dataplane.tunnel.way import Entry, Way
from minimesh.dataplane.unattested import objection
from minimesh.dataplane.upstream import EndpointPool
from minimesh.dataplane.wheel import Timed
from minimesh.model.reason import (
    CLIENT_TIMEOUT,
    IP_NOT_ALLOWED,
    NO_ENDPOINT,
    NO_ROUTE,
    NOT_TLS,
    UNATTESTED,
    Cut,
    Reason,
)
from minimesh.telemetry.histogram import bucket_of

PROTOCOL = "tcp"
"""How connections are told from requests, in records and in counters."""
_MOST_DIALS = 2


class Tunnel(Timed):
    """Made by a listener for a connection, whose near side sets it going. Implements Opens.

    `_name`: the server that the caller's TLS asked for. `_way`: None while that is read.

    `near`, `far`: None once they are gone, and `far` before it is dialled. `_connected`: when they were joined.
    `_closing`: both have shut their side. `_unsent`: bytes that waited when it was last looked at."""

    __slots__ = (
        "_closing",
        "_connected",
        "_entry",
        "_name",
        "_over",
        "_peer",
        "_pool",
        "_started",
        "_traceparent",
        "_tries",
        "_unsent",
        "_way",
        "bytes_in",
        "bytes_out",
        "caller",
        "far",
        "near",
    )

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.near: NearSide | None = NearSide(self, entry)
        self.far: FarSide | None = None
        self.bytes_in = self.bytes_out = 0
        self.caller = entry.caller
        self._entry = entry
        self._way: Way | None = None
        self._pool: EndpointPool | None = None
        self._started = entry.monotonic()
        self._connected = 0.0
        self._name = b""
        self._peer = ""
        self._tries = self._unsent = 0
        self._closing = self._over = False
        self._traceparent = traceparent(b"", entry.random_bits)

    def begin(self, peer: str) -> None:
        """Its near side is there, whose address that is."""
        self._peer = peer
        entry = self._entry
        doorway, address = entry.doorway, peer.rpartition(":")[0]
        if doorway is not None and doorway.keeps_out(address):
            self._refuse(IP_NOT_ALLOWED, doorway.why(address))
        elif entry.by_name is None and entry.way is not None:
            self._dial(entry.way)
        else:
            self._wait(entry.limits.head)

    # --- choosing ----------------------------------------------------------------------------------------------

    def wants(self, data: bytes) -> bool:
        """Whether more than this must be read to tell where it leads."""
        if self._way is not None or self._over:
            return False
        try:
            name = server_name(data)
        except NotTlsError as error:
            self._unnamed(NOT_TLS, str(error))
            return False
        if name is None:
            return True
        self._name = name
        way = self._entry.by_name.find(name, b"") if self._entry.by_name is not None else None
        if way is not None:
            self._dial(way)
        else:
            asked = f"for {name.decode()}" if name else "for no name"
            self._unnamed(NO_ROUTE, f"the client asks {asked}, which no `sni` of {self._entry.name} has")
        return False

    def wants_end(self) -> None:
        """The caller has shut its side."""
        if self._way is None and not self._over:
            self._unnamed(NOT_TLS, "the client shut its side before it had sent a whole ClientHello")

    def _unnamed(self, reason: Reason, detail: str) -> None:
        """What has no name that is known goes where everything goes, if there is such a way."""
        if self._entry.way is not None:
            self._dial(self._entry.way)
        else:
            self._refuse(reason, detail)

    # --- towards the endpoint ----------------------------------------------------------------------------------

    def _dial(self, way: Way) -> None:
        self._way = way
        self.due = inf
        way.counters.requests += 1
        if detail := objection(self._entry.spec, self.caller):
            self._refuse(UNATTESTED, detail)
            return
        refusal = way.refuses(self.caller)
        if refusal is not None:
            self._refuse(refusal.reason, refusal.said)
            return
        pool = way.upstream.pick()
        if pool is None:
            self._refuse(NO_ENDPOINT, f"{way.destination} has no endpoint that is ready")
        else:
            self._open(pool)

    def _open(self, pool: EndpointPool) -> None:
        self._pool = pool
        self._tries += 1
        pool.open(self)

    def far_side(self, home: Home) -> FarSide:
        self.far = far = FarSide(self, home)
        return far

    def opened(self) -> None:
        near, far, way = self.near, self.far, self._way
        assert far is not None
        assert way is not None
        if near is None or self._over:
            cut(far.transport)
            return
        self._connected = self._entry.monotonic()
        way.counters.latency[bucket_of(int((self._connected - self._started) * 1e6))] += 1
        wheel, idle = self._entry.wheel, way.upstream.spec.timeouts.idle
        self._wait(idle)
        near.join(far, wheel, idle, way.counters)
        far.join(near, wheel, idle, way.counters)
        near.go()
        far.go()

    def not_opened(self, reason: Reason, detail: str) -> None:
        self.far = None
        way = self._way
        assert way is not None
        if self._over:
            return
        pool = way.upstream.pick(self._pool) if self._tries < _MOST_DIALS else None
        if pool is None or pool is self._pool:
            self._refuse(reason, detail)
        else:
            self._open(pool)

    # --- the end -----------------------------------------------------------------------------------------------

    def shut(self) -> None:
        """Both sides have ended: what is on its way to either still arrives, if it is taken."""
        self._closing = True
        self._unsent = self._waiting()
        self._wait(self._entry.limits.send)

    def left(self, side: Side, error: Exception | None) -> None:
        """A side is gone."""
        if side is self.near:
            self.near = None
            other: Side | None = self.far
            how, who, whom = Cut.CLIENT_GONE, "the caller", "the service"
        elif side is self.far and self._connected:
            self.far = None
            other = self.near
            how, who, whom = Cut.UPSTREAM_CUT, "the service", "the caller"
        else:
            return  # an endpoint that was not joined yet; whoever dials it finds out
        if self._over:
            return
        if self._closing and error is None:
            if other is None:
                self._finish()
        elif self._connected and (other is None or other.ended):
            # Who leaves with the other's last words unread, a close_notify mostly, resets without anything being wrong.
            self.cut("", f"{who} reset the connection after {whom} had ended it")
        else:
            self.cut(how, f"{who} reset the connection")

    def cut(self, how: str, detail: str) -> None:
        """End it now; who is still there sees a reset. how: a Cut, or "" where nothing is missing."""
        if not self._over:
            self._finish(how=how, detail=detail)
            self._reset()

    def _refuse(self, reason: Reason, detail: str) -> None:
        """It leads nowhere."""
        self._finish(reason=reason, detail=detail)
        self._reset()

    def _reset(self) -> None:
        if self.near is not None:
            cut(self.near.transport)
        if self.far is not None and self._connected:
            cut(self.far.transport)

    def _wait(self, seconds: float) -> None:
        wheel = self._entry.wheel
        wheel.arm(self, wheel.now + seconds)

    def timed_out(self) -> None:
        way = self._way
        if way is None:
            self._unnamed(CLIENT_TIMEOUT, f"no whole ClientHello after {self._entry.limits.head:g} s")
            return
        limit = self._entry.limits.send if self._closing else way.upstream.spec.timeouts.idle
        waiting = self._waiting()
        if waiting < self._unsent or (waiting and not self._unsent):
            # Nothing was read, but what waits to be taken is being taken, or is looked at for the first time.
            self._unsent = waiting
            self._wait(limit)
        elif self._closing:
            self.cut(Cut.SLOW_READER, f"what was left to take was not taken for {limit:g} s")
        else:
            self.cut(Cut.IDLE, f"not a byte for {limit:g} s")

    def _waiting(self) -> int:
        """Bytes that were read and not taken yet."""
        return sum(side.transport.get_write_buffer_size() for side in (self.near, self.far) if side is not None)

    def _finish(self, reason: Reason | None = None, how: str = "", detail: str = "") -> None:
        self._over = True
        entry, way, pool = self._entry, self._way, self._pool
        entry.wheel.forget(self)
        now = entry.monotonic()
        counters = entry.unrouted if way is None else way.counters
        if way is None:
            counters.requests += 1
        # As with a request: what was joined counts as one that was answered 101, what was refused by its reason.
        status = reason.status if reason is not None else 101 if self._connected else 0
        counters.classes[status // 100] += 1
        if self._tries > 1:
            counters.retries += self._tries - 1
        if reason is not None or how:
            code = how if reason is None else reason.code
            counters.reasons[code] = counters.reasons.get(code, 0) + 1
        entry.ring.append(
            (
                self._traceparent,
                b"",
                self._started,
                now - self._started,
                self._connected - self._started if self._connected else 0.0,
                entry.source,
                "" if way is None else way.destination,
                counters.key.route,
                entry.name,
                "" if pool is None else pool.name,
                b"",
                self._name,
                b"",
                0,
                "" if reason is None else reason.code,
                how,
                detail,
                self.bytes_in,
                self.bytes_out,
                self._tries,
                self._peer,
                PROTOCOL,
                -1,
                0,
                0,
                self.caller,
            )
        )
