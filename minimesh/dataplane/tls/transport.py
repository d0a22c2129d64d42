"""A connection in TLS: a transport towards what is spoken on it, a protocol towards the transport below.

Between the two stands OpenSSL with memory on both sides, so bytes that were read already can be given to it, and a
connection costs no buffers while it is idle. What one read brings is decrypted whole and handed on once; what one turn
of the loop writes leaves in as few records as it fills (see outbox.py).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Protocol, cast

from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.tls.failure import TlsError, Why, failure_of
from minimesh.dataplane.tls.handshakes import Handshakes
from minimesh.dataplane.wheel import Timed, Wheel

RECORD = 16 * 1024
"""The most that one record carries (RFC 8446, section 5.1)."""
LARGEST_HANDSHAKE = 128 * 1024
"""Bytes that a peer may send before it is done, its certificates included."""
MOST_UNASKED = 256 * 1024
"""Bytes of ours that may wait which nobody here has written: answers to KeyUpdate."""


class Securing(Protocol):
    """Whoever wants the connection."""

    def secured(self, tls: TlsTransport) -> asyncio.BaseProtocol:
        """The handshake is done: what reads from now on. Raises TlsError where the peer is not who it has to be."""
        ...

    def not_secured(self, error: TlsError) -> None:
        """There will be no connection; whatever there is of it is closed already, or about to be."""
        ...


class Around(Protocol):
    """What all such connections share."""

    wheel: Wheel
    outbox: Outbox

    @property
    def handshakes(self) -> Handshakes: ...


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """`early`: what was read of the connection before. server_name: of the client's side, who it asks for (SNI), which
    also has to be in the certificate where the context checks host names. limit: seconds for the handshake."""

    __slots__ = (
        "_closing",
        "_early",
        "_error",
        "_handshake",
        "_incoming",
        "_out",
        "_outbox",
        "_outgoing",
        "_protocol",
        "_raw",
        "_receive",
        "_session",
        "_shut",
    )

    _raw: asyncio.Transport
    _protocol: asyncio.Protocol
    _receive: Callable[[bytes], None]

    def __init__(
        self,
        context: ssl.SSLContext,
        securing: Securing,
        around: Around,
        *,
        server_side: bool,
        limit: float,
        server_name: str | None = None,
        early: bytes = b"",
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side, server_name)
        self._outbox = around.outbox
        self._early = early
        self._error: Exception | None = None
        self._handshake: _Handshake | None = _Handshake(self, securing, around, limit)
        self._out: list[bytes] = []
        self._closing = self._shut = False

    # --- what is known once the handshake is done --------------------------------------------------------------

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides chose."""
        return self._session.selected_alpn_protocol()

    @property
    def asked_name(self) -> str | None:
        """The server that the client asked for; on the client's side, the one that it was told."""
        return getattr(self._session, "asked_name", None) or self._session.server_hostname

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's own, as DER; None where it has shown none."""
        return self._session.getpeercert(binary_form=True)

    @property
    def version(self) -> str:
        """`TLSv1.3`"""
        return self._session.version() or ""

    # --- from the transport below ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        early, self._early = self._early, b""
        assert self._handshake is not None
        self._handshake.begin(early)

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._handshake is None:
            self._read()
        else:
            self._handshake.came(len(data))

    def _read(self) -> None:
        """All that has come, and is whole."""
        incoming, read = self._incoming, self._session.read
        data = more = b""
        pieces: list[bytes] | None = None
        ended = False
        try:
            # A record is read whole, so nothing more is wanted than what is there: to ask would cost an exception.
            while incoming.pending:
                more = read(RECORD)
                if not more:
                    ended = True
                    break
                if not data:
                    data = more
                elif pieces is None:
                    pieces = [data, more]
                else:
                    pieces.append(more)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # the peer's end, after ours
            ended = True
        except ssl.SSLError as error:
            self._break(error)
        if self._outgoing.pending:
            self._answer()
        if data and not self._closing:
            self._receive(data if pieces is None else b"".join(pieces))
        if ended and not self._closing and not self._protocol.eof_received():
            self.close()

    def _answer(self) -> None:
        """What OpenSSL itself has to say."""
        if not self._raw.is_closing():
            self._raw.write(self._outgoing.read())
            if self._raw.get_write_buffer_size() > MOST_UNASKED:
                self._error = TlsError(Why.BROKEN, "it wants new keys and does not take them")
                self.abort()

    def _break(self, error: ssl.SSLError) -> None:
        """The peer has broken the protocol, or refuses us. Its connection ends with this error."""
        self._error = failure_of(error)
        self._out.clear()
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())
        self._closing = True
        self._raw.close()

    def eof_received(self) -> bool:
        """Without close_notify: what it sent may have been cut (RFC 8446, section 6.1)."""
        if self._handshake is not None:
            self._handshake.fail(TlsError(Why.CLOSED, "it closed the connection during the handshake"))
        elif not self._closing and not self._shut:
            self._error = TlsError(Why.CLOSED, "it closed the connection without close_notify")
            self.abort()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._out.clear()
        if self._handshake is not None:
            self._handshake.fail(TlsError(Why.CLOSED, f"it closed the connection during the handshake{_of(error)}"))
        else:
            protocol = self._protocol
            # The two hold each other.
            del self._protocol, self._receive
            protocol.connection_lost(self._error or error)

    def pause_writing(self) -> None:
        if self._handshake is None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._handshake is None:
            self._protocol.resume_writing()

    # --- from the protocol above -------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._shut or not data:
            return
        out = self._out
        if not out:
            self._outbox.add(self)
        out.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def flush(self) -> None:
        """Everything that was written, in as few records as it fills."""
        out = self._out
        if not out or self._closing:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        write = self._session.write
        try:
            done = write(data)
            if done < len(data):
                rest = memoryview(data)[done:]
                while rest:
                    rest = rest[write(rest) :]
        except ssl.SSLError as error:
            self._break(error)
            return
        self._raw.write(self._outgoing.read())

    def write_eof(self) -> None:
        """close_notify: we send no more, and go on reading (RFC 8446, section 6.1)."""
        if self._shut or self._closing:
            return
        self.flush()
        self._shut = True
        # To unwrap is also to look for the peer's end, which takes data for an error: there must be nothing to read.
        waiting = self._incoming.read()
        with suppress(ssl.SSLError, OSError):  # the peer has not ended its side
            self._session.unwrap()
        self._incoming.write(waiting)
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if self._closing:
            return
        if self._handshake is not None:
            self.abort()
            return
        self.write_eof()
        self._closing = True
        self._raw.close()

    def abort(self) -> None:
        self._closing = True
        self._out.clear()
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)
        self._receive = self._protocol.data_received

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._out)) + self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport below knows; and `ssl_object`, which tells this from others."""
        return self._session if name == "ssl_object" else self._raw.get_extra_info(name, default)

    # --- from the handshake ------------------------------------------------------------------------------------

    def shake(self) -> bool:
        """Go on with the handshake as far as what has come allows; whether it is done. Raises SSLError."""
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            if self._outgoing.pending and not self._raw.is_closing():
                self._raw.write(self._outgoing.read())
        return True

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """The handshake is done."""
        self._handshake = None
        self.set_protocol(protocol)
        self._protocol.connection_made(self)
        if not self._closing and self._incoming.pending:
            self._read()

    def give_up(self) -> None:
        """The handshake has failed: close, once the alert has left."""
        if not self._closing:
            self._closing = True
            self._raw.close()


class _Handshake(Timed):
    """Until it is done. Holds the connection, and the other way round, until then."""

    __slots__ = ("_around", "_asked", "_securing", "_size", "_tls")

    def __init__(self, tls: TlsTransport, securing: Securing, around: Around, limit: float) -> None:
        super().__init__()
        self._tls: TlsTransport | None = tls
        self._securing = securing
        self._around = around
        self._size = 0
        self._asked = False
        self.due = limit

    def begin(self, early: bytes) -> None:
        wheel, limit, self.due = self._around.wheel, self.due, inf
        wheel.arm(self, wheel.now + limit)
        if early and self._tls is not None:
            self._tls.data_received(early)
        else:
            self._ask()

    def came(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST_HANDSHAKE:
            self.fail(TlsError(Why.BROKEN, f"its handshake is over {LARGEST_HANDSHAKE} bytes"))
        else:
            self._ask()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._around.handshakes.ask(self)

    def step(self) -> None:
        self._asked = False
        tls = self._tls
        if tls is None:
            return
        try:
            if not tls.shake():
                return
            protocol = self._securing.secured(tls)
        except ssl.SSLError as error:
            self.fail(failure_of(error))
        except TlsError as error:
            self.fail(error)
        else:
            self._over()
            tls.begin(protocol)

    def timed_out(self) -> None:
        self.fail(TlsError(Why.TIMED_OUT, "the handshake was not done in time"))

    def fail(self, error: TlsError) -> None:
        tls, securing = self._tls, self._securing
        if tls is None:
            return
        self._over()
        tls.give_up()
        securing.not_secured(error)

    def _over(self) -> None:
        self._tls = None
        self._around.wheel.forget(self)


def _of(error: Exception | None) -> str:
    return f": {error}" if error is not None else ""
