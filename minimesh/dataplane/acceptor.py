"""A bound address that accepts connections, whatever is spoken on them, and keeps count of them until they end."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Mapping
from functools import partial

from minimesh.dataplane.bound import Around, Bound
from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.upstream import Upstream
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.attest import Attest, Ends, Found, Question
from minimesh.model.caller import Attested, Caller
from minimesh.model.egress import OUTSIDE

BACKLOG = 4096
ACCEPTS_A_TURN = 64
ATTESTED_WITHIN = 1.0
"""Seconds in which it has to be known whose process a caller is, where that is asked for before anything else."""
_REST = 0.25
_LATE = Found(Attested.UNKNOWN, why=f"a caller that is not known after {ATTESTED_WITHIN:g} s")
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor(Bound):
    """Its callers make connections."""

    def __init__(self, spec: snapshot.Listener, bound: socket.socket, around: Around) -> None:
        super().__init__(spec, bound, around)
        self._adopting: set[asyncio.Task[object]] = set()
        self._unopened = 0
        self._connections: set[ServerConnection] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._held: dict[socket.socket, tuple[bytes, asyncio.TimerHandle]] = {}
        """Nobody knows yet whose they are, and nothing is read of them before."""

    @property
    def connections(self) -> int:
        return len(self._connections) + self._unopened + len(self._held)

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        unknown = self.spec.attest is Attest.OFF and _holds(spec)
        super().apply(spec, upstreams)
        if unknown:
            for connection in tuple(self._connections):
                connection.drain()
        self._make_room()

    def _connection(self) -> ServerConnection:
        """What serves the next one that is accepted."""
        raise NotImplementedError

    # --- accepting ---------------------------------------------------------------------------------------------

    def release(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        super().release()

    def _arrived(self) -> None:
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
        if self.spec.attest is Attest.OFF:
            self.take(accepted, early, self.caller)
            return
        try:
            question = self._question(accepted)
        except OSError:
            accepted.close()  # it has left already
            return
        if _holds(self.spec):
            timer = self._loop.call_later(ATTESTED_WITHIN, self._known, accepted, _LATE)
            self._held[accepted] = early, timer
            self._attestor.ask(question, partial(self._known, accepted))
        else:
            caller = Caller(self.spec.source)
            self.take(accepted, early, caller)
            self._attestor.ask(question, partial(_fill_in, caller))

    def take(self, accepted: socket.socket, early: bytes, caller: Caller) -> None:
        """Serve a connection of which it is known whose it is, or does not matter."""
        self._unopened += 1
        connection = self._connection()
        connection.known_as(caller)
        if early:
            connection.inherit(early)
        task = self._loop.create_task(self._adopt(connection, accepted, early))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connection: ServerConnection, accepted: socket.socket, early: bytes) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            accepted.close()
            self._unopened -= 1
            self._make_room()
            return
        if early:
            connection.go_on()

    # --- whose they are ----------------------------------------------------------------------------------------

    def _question(self, accepted: socket.socket) -> Question:
        """Raises OSError."""
        ends = Ends(Address(*accepted.getpeername()[:2]), Address(*accepted.getsockname()[:2]))
        to = OUTSIDE if self.spec.kind is snapshot.ListenerKind.PROXY else self.spec.routes[0].to
        return Question(ends, self.spec.callers or frozenset((self.source,)), to)

    def _known(self, accepted: socket.socket, found: Found) -> None:
        """Of one that waits for it; the first to say so counts."""
        early, timer = self._held.pop(accepted, (b"", None))
        if timer is None:
            return
        timer.cancel()
        own = self._find(f"{found.service}{self.name}") if self.spec.callers else self
        if isinstance(own, Acceptor) and found.service:
            own.take(accepted, early, own.caller_found(found))
        else:
            self.take(accepted, early, self.caller_found(found))

    def caller_found(self, found: Found) -> Caller:
        return Caller(self.spec.source, found.attested, found.who)

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
                self._loop.add_reader(self._socket, self._arrived)

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

    def leave(self, connection: ServerConnection) -> None:
        """Another protocol takes its place, and opens in its turn."""
        self._connections.discard(connection)
        self._unopened += 1

    def closed(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        self._make_room()

    def drain(self) -> None:
        """Accept no more; each connection closes after the answer that it is at."""
        if self.draining:
            return
        super().drain()
        for connection in tuple(self._connections):
            connection.drain()

    def close(self) -> int:
        """Cut what is left; the number of connections that were."""
        self.drain()
        left = tuple(self._connections)
        for connection in left:
            connection.abort()
        for accepted, (_, timer) in self._held.items():
            timer.cancel()
            accepted.close()
        self._held.clear()
        return len(left)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """Leave callers in the backlog, and every connection before its next request."""
        super().freeze()
        for connection in tuple(self._connections):
            connection.freeze()

    def thaw(self) -> None:
        super().thaw()
        for connection in tuple(self._connections):
            connection.thaw()

    def busy(self, since: float) -> bool:
        return bool(self._unopened) or any(
            began is not None and began > since for began in map(_busy_since, self._connections)
        )

    def cut_busy(self) -> int:
        """Cut the exchanges that are under way; how many there were."""
        return sum(connection.cut_short("the mesh was upgraded") for connection in tuple(self._connections))

    def hand_over(self) -> tuple[int, list[tuple[int, bytes]]]:
        idle = [each for each in self._connections if each.busy_since() is None]
        held = [(accepted.fileno(), early) for accepted, (early, _) in self._held.items()]
        return self._socket.fileno(), [*held, *(each.hand_over() for each in idle)]


def _holds(spec: snapshot.Listener) -> bool:
    """Nothing is read of callers before it is known whose they are."""
    return spec.attest is Attest.ENFORCE or (spec.known_first and spec.attest is Attest.OBSERVE)


def _fill_in(caller: Caller, found: Found) -> None:
    caller.attested, caller.who = found.attested, found.who


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
