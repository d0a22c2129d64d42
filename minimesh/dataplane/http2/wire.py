"""A connection of HTTP/2 as something that is written to, and that ends.

All that one read of a socket causes, here and on other connections, leaves in one write for each (see outbox.py).
"""

import asyncio

from minimesh.dataplane.http2.frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HEADERS,
    LAST_NUMBER,
    WINDOW,
    Code,
    Setting,
    goaway,
    headers,
    pack_head,
    ping,
    settings,
    window_update,
)
from minimesh.dataplane.http2.hpack import NO_TABLE
from minimesh.dataplane.http2.life import ConnectionLife
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.wheel import Wheel

_LINGER = 0.5
_WHOLE_AND_LAST = END_HEADERS | END_STREAM


class Wire(ConnectionLife):
    """`frame_size`: at most in one frame. `blocked`: the transport takes no more. `_last`: the highest stream that the
    peer has opened, `_promised`: the one that we have told it of. `ending`: the last is said, and nothing that comes is
    read any more."""

    __slots__ = (
        "_last",
        "_opening",
        "_promised",
        "_transport",
        "blocked",
        "ending",
        "frame_size",
        "out",
        "outbox",
        "wheel",
    )

    _transport: asyncio.Transport

    def __init__(self, wheel: Wheel, outbox: Outbox) -> None:
        super().__init__()
        self.wheel = wheel
        self.frame_size = FRAME_SIZE
        self.blocked = self.ending = False
        self.outbox = outbox
        self.out: list[bytes] = []
        self._opening = NO_TABLE
        self._last = 0
        self._promised = LAST_NUMBER

    def write(self, data: bytes) -> None:
        out = self.out
        if not out:
            self.outbox.add(self)
        out.append(data)

    def flush(self) -> None:
        out, self.out = self.out, []
        if out and not self.ending and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    def write_head(self, number: int, block: bytes, end: bool) -> None:
        """HEADERS; our first block says that we keep no table (RFC 7541, section 4.2)."""
        if self._opening:
            block, self._opening = self._opening + block, b""
        out = self.out
        if not out:
            self.outbox.add(self)
        size = len(block)
        if size <= FRAME_SIZE:
            out.append(pack_head(0, size, HEADERS, _WHOLE_AND_LAST if end else END_HEADERS, number))
            out.append(block)
        else:
            out.append(headers(number, block, end))

    def greet(self, ours: dict[Setting, int], window: int) -> None:
        self.write(settings(ours))
        self.write(window_update(0, window - WINDOW))

    def say_ping(self, payload: bytes) -> None:
        self.write(ping(payload))

    def say_farewell(self, last: int) -> None:
        self.write(self.farewell(last, Code.NO_ERROR, "draining"))

    def farewell(self, last: int, code: Code, detail: str) -> bytes:
        """GOAWAY. No stream may be promised that an earlier one has taken back (RFC 9113, section 6.8)."""
        self._promised = min(self._promised, last)
        return goaway(self._promised, code, detail)

    def end(self, code: Code = Code.NO_ERROR, detail: str = "") -> None:
        if self.ending:
            return
        self.flush()
        self.ending = True
        transport = self._transport
        if not transport.is_closing():
            transport.write(self.farewell(self._last, code, detail))
            if transport.can_write_eof():
                transport.write_eof()
            self.wheel.arm(self, self.wheel.now + _LINGER)
