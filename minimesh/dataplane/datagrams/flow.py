"""The datagrams between one address of a caller and one endpoint, in both directions.

There is no connection, so nobody says when it is over: a flow lasts until nothing came either way for its idle limit,
until its endpoint leaves, or until the kernel says that nobody listens there (ICMP port unreachable). The next datagram
of the same caller begins another one. Whatever ends it ends in `_finish`, which leaves one record.
"""

import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from minimesh.dataplane.ids import RandomBits, traceparent
from minimesh.dataplane.tunnel.way import Way
from minimesh.dataplane.upstream import EndpointPool
from minimesh.dataplane.wheel import Timed, Wheel
from minimesh.model.address import Address
from minimesh.model.caller import Caller
from minimesh.model.reason import NO_ENDPOINT, OUT_OF_DESCRIPTORS, UPSTREAM_REFUSED, Cut, Reason
from minimesh.telemetry.histogram import bucket_of
from minimesh.telemetry.ring import Ring

PROTOCOL = "udp"
"""How flows are told from requests, in records and in counters."""
LAST_WORD = 1.0
"""Seconds for which an answer is expected; and without a datagram, after which a flow to a leaving endpoint is over."""
ANSWERS_A_TURN = 64
_MOST_ENDPOINTS = 2
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NOT_TAKEN = (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM, errno.EMSGSIZE)
"""Of one datagram: it is lost, and the next one may pass."""

Client = tuple[str | int, ...]
"""A caller's address as the kernel tells it: host, port, and with IPv6 two numbers more."""
Data = bytes | memoryview


class Entry(Protocol):
    """What a flow needs of the listener that it came in by. `buffer`: for what is read and passed on at once."""

    name: str
    source: str
    caller: Caller
    wheel: Wheel
    ring: Ring
    monotonic: Callable[[], float]
    random_bits: RandomBits
    buffer: memoryview

    def connect(self, address: Address) -> socket.socket:
        """A socket for datagrams to and from this address alone. Raises OSError."""
        ...

    def answer(self, data: Data, client: Client) -> None:
        """Raises OSError where it is not taken."""
        ...

    def read(self, connected: socket.socket, arrived: Callable[[], None] | None) -> None:
        """Call `arrived` whenever something waits there; None: no more."""
        ...

    def over(self, flow: "Flow", refused: EndpointPool | None) -> None:
        """It has ended. refused: the endpoint where nobody listens."""
        ...


class Flow(Timed):
    """`begin`, then `take` for each further datagram. Implements Loose.

    `leaving`: its endpoint is to get nothing more. `_lost`: datagrams that a full buffer did not take, either way."""

    __slots__ = (
        "_answered",
        "_connected",
        "_entry",
        "_idle",
        "_in",
        "_lost",
        "_out",
        "_pool",
        "_started",
        "_traceparent",
        "_tries",
        "_unanswered",
        "_way",
        "bytes_in",
        "bytes_out",
        "caller",
        "client",
        "leaving",
    )

    def __init__(self, entry: Entry, way: Way, client: Client) -> None:
        super().__init__()
        self.bytes_in = self.bytes_out = 0
        self.leaving = False
        self.caller = entry.caller
        self._entry = entry
        self._way = way
        self.client = client
        self._connected: socket.socket | None = None
        self._pool: EndpointPool | None = None
        self._idle = way.upstream.spec.timeouts.idle
        self._in = self._out = self._lost = self._tries = 0
        self._unanswered = False
        self._started = entry.monotonic()
        self._answered = 0.0
        self._traceparent = traceparent(b"", entry.random_bits)
        way.counters.requests += 1

    @property
    def owed(self) -> bool:
        """The last datagram was the caller's, a moment ago."""
        return self._unanswered and self.due - self._idle + LAST_WORD > self._entry.wheel.now

    # --- from the caller ---------------------------------------------------------------------------------------

    def begin(self, data: Data, avoid: EndpointPool | None) -> bool:
        """Send the first one, to another endpoint than `avoid` where there is one. False: it is over already."""
        pool, failure = avoid, OSError()
        for _ in range(_MOST_ENDPOINTS):
            picked = self._way.upstream.pick(pool)
            if picked is None:
                self._finish(NO_ENDPOINT, f"{self._way.destination} has no endpoint that is ready")
                return False
            if picked is self._pool:
                break
            self._pool = pool = picked
            self._tries += 1
            try:
                self._connected = self._reach(pool, data)
            except OSError as error:
                failure = error
                if error.errno in _FULL:
                    self._finish(OUT_OF_DESCRIPTORS, error.strerror or str(error))
                    return False
            else:
                pool.join(self)
                self._entry.read(self._connected, self._read)
                self._sent(len(data))
                self._entry.wheel.arm(self, self.due)
                return True
        assert self._pool is not None
        where = " and ".join(map(str, self._pool.spec.addresses))
        self._finish(UPSTREAM_REFUSED, f"send to {where}: {failure.strerror or failure}")
        return False

    def _reach(self, pool: EndpointPool, data: Data) -> socket.socket:
        """Raises the last OSError."""
        failure = OSError("the endpoint has no address")
        for address in pool.in_turn():
            assert isinstance(address, Address), "a service that speaks udp has no socket files"
            try:
                connected = self._entry.connect(address)
            except OSError as error:
                failure = error
                continue
            number = _sent_first(connected, data)
            if not number or number in _NOT_TAKEN:
                self._lost += bool(number)
                pool.answered_at(address)
                return connected
            connected.close()
            failure = OSError(number, os.strerror(number))
        raise failure

    def refuse(self, reason: Reason, detail: str) -> None:
        """It is not begun at all."""
        self._finish(reason, detail)

    def take(self, data: Data) -> bool:
        """One more. False: it was not sent, and needs another flow: this one is over, or passes on answers at most."""
        connected = self._connected
        assert connected is not None, "what is over is not asked"
        if self.leaving:
            return False
        try:
            connected.send(data)
        except OSError as error:
            if error.errno not in _NOT_TAKEN:
                self._refused(error)
                return False
            self._lost += 1
        self._sent(len(data))
        return True

    def _sent(self, size: int) -> None:
        self._in += 1
        self.bytes_in += size
        self._way.counters.bytes_in += size
        self._unanswered = True
        self.due = self._entry.wheel.now + self._idle

    # --- from the endpoint -------------------------------------------------------------------------------------

    def _read(self) -> None:
        connected, entry, client = self._connected, self._entry, self.client
        assert connected is not None, "what is over reads nothing"
        buffer = entry.buffer
        for _ in range(ANSWERS_A_TURN):
            try:
                size = connected.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._refused(error)
                return
            try:
                entry.answer(buffer[:size], client)
            except OSError:
                self._lost += 1
            self._came(size)

    def _came(self, size: int) -> None:
        entry, counters = self._entry, self._way.counters
        self._out += 1
        self.bytes_out += size
        counters.bytes_out += size
        self._unanswered = False
        self.due = entry.wheel.now + self._idle
        if not self._answered:
            self._answered = entry.monotonic()
            counters.latency[bucket_of(int((self._answered - self._started) * 1e6))] += 1

    # --- its end -----------------------------------------------------------------------------------------------

    def leave(self) -> None:
        self.leaving = True
        self._idle = LAST_WORD
        wheel = self._entry.wheel
        wheel.arm(self, wheel.now + LAST_WORD)

    def timed_out(self) -> None:
        self._finish(detail="its endpoint left" if self.leaving else f"no datagram for {self._idle:g} s")

    def end(self, why: str) -> bool:
        """End it now; whether an answer may have been under way, which is cut then."""
        owed = self.owed
        self._finish(how=Cut.STOPPED if owed else "", detail=why)
        return owed

    def _refused(self, error: OSError) -> None:
        said = f"the endpoint takes no datagrams any more: {error.strerror or error}"
        if self._answered:
            self._finish(how=Cut.UPSTREAM_CUT, detail=said, refused=True)
        else:
            self._finish(UPSTREAM_REFUSED, said, refused=True)

    def _finish(self, reason: Reason | None = None, detail: str = "", how: str = "", *, refused: bool = False) -> None:
        entry, pool, counters = self._entry, self._pool, self._way.counters
        entry.wheel.forget(self)
        if self._connected is not None:
            entry.read(self._connected, None)
            self._connected.close()
            self._connected = None
        if pool is not None:
            pool.part(self)
        # As with a connection: what reached an endpoint counts as one that was answered 101.
        counters.classes[1 if reason is None else reason.status // 100] += 1
        if self._tries > 1:
            counters.retries += self._tries - 1
        if reason is not None or how:
            code = how if reason is None else reason.code
            counters.reasons[code] = counters.reasons.get(code, 0) + 1
        passed = f"datagrams: {self._in} in, {self._out} out, {self._lost} lost"
        entry.ring.append(
            (
                self._traceparent,
                b"",
                self._started,
                entry.monotonic() - self._started,
                self._answered - self._started if self._answered else 0.0,
                entry.source,
                self._way.destination,
                counters.key.route,
                entry.name,
                "" if pool is None else pool.name,
                b"",
                b"",
                b"",
                0,
                "" if reason is None else reason.code,
                how,
                f"{detail}; {passed}",
                self.bytes_in,
                self.bytes_out,
                self._tries,
                f"{self.client[0]}:{self.client[1]}",
                PROTOCOL,
                -1,
                0,
                0,
                self.caller,
            )
        )
        entry.over(self, pool if refused else None)


def _sent_first(connected: socket.socket, data: Data) -> int:
    """0, or the number of what is wrong: on one machine the kernel knows at once that nobody listens."""
    try:
        connected.send(data)
    except OSError as error:
        return error.errno or errno.EIO
    return connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
