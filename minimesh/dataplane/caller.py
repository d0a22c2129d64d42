"""An accepted connection's life, whichever codec reads it: its peer, back-pressure, limits, and its end.

A codec adds how requests are read and answers are written. What it has to say here: `_uploading`, whether a request's
body is still coming; `_buffer`, what was read but is not understood yet; `_read_on` and `_refuse`.
"""

import asyncio
from math import inf
from typing import cast

from minimesh.dataplane.connections import WATERMARK, Entrance, ServerConnection, Starts, cut, is_secured
from minimesh.dataplane.wheel import Timed
from minimesh.model.caller import Caller
from minimesh.model.reason import CLIENT_TIMEOUT, Cut, Reason

_LINGER = 2.0


class CallerConnection(ServerConnection, Timed):
    """`_chunked`: the answer under way has no length. `_close`: after the answer under way, if any. `_eof`: the caller
    has shut its side. `_tunnel`: bytes pass as they are. `_lingering`: there will be no further request. `_blocked`:
    the caller does not take what is sent. `_paused`: nothing is read. `_unsent`: bytes that waited when it was last
    looked at. `_frozen`: nothing further begins; it is then `_blocked` too, which costs requests nothing."""

    __slots__ = (
        "_blocked",
        "_buffer",
        "_chunked",
        "_close",
        "_deadline",
        "_entrance",
        "_eof",
        "_exchange",
        "_frozen",
        "_lingering",
        "_paused",
        "_transport",
        "_tunnel",
        "_unsent",
        "_uploading",
        "caller",
        "loopback",
        "peer",
    )

    _transport: asyncio.Transport

    def __init__(self, entrance: Entrance) -> None:
        Timed.__init__(self)
        self._entrance = entrance
        self.caller = entrance.caller
        self._exchange: Starts | None = None
        self._buffer = b""
        self._deadline = inf
        self._unsent = 0
        self._chunked = self._close = self._eof = self._tunnel = self._lingering = False
        self._blocked = self._frozen = self._paused = self._uploading = False
        self.peer = ""
        self.loopback = False

    def _read_on(self) -> None:
        """The answer is taken: on to what was read meanwhile, or to waiting for the next request."""
        raise NotImplementedError

    def _refuse(self, reason: Reason, detail: str) -> None:
        """Answer what never became a request, and close."""
        raise NotImplementedError

    def known_as(self, caller: Caller) -> None:
        self.caller = caller

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        name = transport.get_extra_info("peername")
        if name:
            self.peer = f"{name[0]}:{name[1]}"
            self.loopback = name[0].startswith("127.") or name[0] == "::1"
        self._entrance.opened(self)
        self._wait(self._entrance.limits.idle)

    def eof_received(self) -> bool:
        """True keeps our own sending side open: the caller may have shut only its own."""
        self._eof = True
        exchange = self._exchange
        if exchange is None or self._lingering:
            return False
        if self._tunnel:
            exchange.request_end(None)
        elif self._uploading:
            self._cut(Cut.CLIENT_GONE, "the caller closed before its body was whole")
            return False
        elif self._chunked:
            # Nothing may come for hours that would show whether it only shut its side: who did so said it earlier.
            self._cut(Cut.CLIENT_GONE, "the caller closed in the middle of a stream")
            return False
        elif exchange.in_line:
            # It may only have shut its own side, but most that do so have left, and would be served in vain.
            self._cut(Cut.CLIENT_GONE, "the caller closed while it waited in line")
            return False
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._cut(Cut.CLIENT_GONE, "the caller closed the connection")
        self._buffer = b""
        self._entrance.wheel.forget(self)
        self._entrance.closed(self)

    def pause_writing(self) -> None:
        self._blocked = True
        self._look_again()
        if self._exchange is not None:
            self._exchange.response_blocked()

    def resume_writing(self) -> None:
        self._blocked = self._frozen
        if self._exchange is not None:
            self._exchange.response_unblocked()
        elif not self._lingering and not self._frozen:
            self._read_on()

    def _give_way(self, data: bytes) -> None:
        """To the protocol that the caller really speaks; `data`: all that was read so far."""
        successor = self._entrance.successor(self)
        successor.known_as(self.caller)
        self._lingering = True
        self._entrance.wheel.forget(self)
        self._transport.set_protocol(successor)
        successor.connection_made(self._transport)
        successor.data_received(data)

    # --- its end -----------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no further request: close when idle, else after the answer."""
        self._close = True
        if self._exchange is None and not self._lingering:
            self._transport.close()

    def abort(self, why: str = "the mesh stopped") -> None:
        """Close at once; the peer sees a reset, so that nothing that was cut looks whole."""
        cut(self._transport)
        self._cut(Cut.STOPPED, why)

    def reset(self) -> None:
        self._exchange = None
        self._uploading = False
        self._lingering = True
        self.abort()

    def over(self) -> None:
        """Both directions of a tunnel have ended."""
        self._exchange = None
        self._transport.close()
        self._linger()

    def _linger(self) -> None:
        """Shut our side first and read on a little, so that a reset does not overtake the answer (RFC 9112, 9.6)."""
        self._lingering = True
        self._buffer = b""
        self._deadline = inf
        if not self._transport.is_closing():
            if self._eof:
                self._transport.close()
            else:
                self._hold(False)
                self._transport.write_eof()
        self._look_again()

    def _cut(self, how: Cut, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        self._uploading = False
        if exchange is not None:
            exchange.request_cut(how, detail)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        if is_secured(self._transport):
            # No other image can go on with what TLS has agreed on: its caller connects again.
            self.drain()
            return
        self._frozen = self._blocked = True
        if self._exchange is None and not self._lingering:
            self._hold(True)

    def thaw(self) -> None:
        self._frozen = self._blocked = False
        if self._exchange is None and not self._lingering and not self._transport.is_closing():
            self._read_on()
        elif self._uploading:
            self._wait(self._entrance.limits.body)

    def busy_since(self) -> float | None:
        if self._tunnel:
            return -inf
        if self._exchange is not None:
            return self._exchange.started
        waits = self._lingering or self._transport.is_closing() or self._transport.get_write_buffer_size()
        return inf if waits else None

    def cut_short(self, why: str) -> bool:
        if self._exchange is None and not self._transport.get_write_buffer_size():
            return False
        self.abort(why)
        return True

    def hand_over(self) -> tuple[int, bytes]:
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        return descriptor, self._buffer

    def inherit(self, early: bytes) -> None:
        self._buffer = early

    def go_on(self) -> None:
        if self._buffer and self._exchange is None and not self._lingering:
            self._read_on()

    # --- back-pressure and time --------------------------------------------------------------------------------

    def pause(self) -> None:
        self._hold(True)

    def resume(self) -> None:
        if self._paused and self._uploading:
            # It was held back: its limit begins anew.
            self._wait(self._entrance.limits.body)
        self._hold(False)

    def _hold(self, paused: bool) -> None:
        if paused is self._paused or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def arm(self, due: float) -> None:
        self._deadline = due
        self._entrance.wheel.arm(self, min(due, self.due) if self._uploading else due)

    def _wait(self, seconds: float) -> None:
        wheel = self._entrance.wheel
        wheel.arm(self, min(wheel.now + seconds, self._deadline))

    def _look_again(self) -> None:
        """When the caller should have taken some of what waits for it, or, with nothing waiting, have closed too."""
        self._unsent = self._transport.get_write_buffer_size()
        self._wait(self._entrance.limits.send if self._unsent else _LINGER)

    def timed_out(self) -> None:
        exchange, limits = self._exchange, self._entrance.limits
        if exchange is not None and self._entrance.wheel.now >= self._deadline:
            self._deadline = inf
            exchange.deadline_passed()
        elif self._frozen and not self._lingering:
            self._entrance.wheel.arm(self, self._deadline)
        elif self._blocked or self._lingering:
            if self._transport.get_write_buffer_size() < self._unsent:
                self._look_again()
            else:
                self._cut(Cut.SLOW_READER, f"the caller took nothing for {limits.send:g} s")
                (self.abort if self._unsent else self._transport.abort)()
        elif exchange is None:
            if self._buffer:
                self._refuse(CLIENT_TIMEOUT, f"the head was not whole after {limits.head:g} s")
            else:
                self._transport.abort()
        elif self._uploading and not self._paused:
            self._close = True
            exchange.request_refused(CLIENT_TIMEOUT, f"the body stood still for {limits.body:g} s")
        elif self._uploading:
            self._wait(limits.body)
        elif self._deadline != inf:
            self._entrance.wheel.arm(self, self._deadline)
