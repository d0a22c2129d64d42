"""One stream of a connection: its two windows, and what waits to be sent (RFC 9113, sections 5.1 and 5.2).

Credit is given back to the peer only when the other side of the exchange has taken what came: while a stream is
paused, what arrives for it counts against both windows, so that no more than a window of it can pile up.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from minimesh.dataplane.http2.encode import fields_block
from minimesh.dataplane.http2.frames import DATA, END_STREAM, Code, head, pack_head, rst_stream
from minimesh.dataplane.http2.life import StreamLife

if TYPE_CHECKING:
    from minimesh.dataplane.heads import Fields
    from minimesh.dataplane.http2.connection import Http2Connection


_ENDS = bytes((END_STREAM,))
FRAMES_PAID = 3
"""What a peer may well send for each piece of data: an update of either window, and a PING to time it."""


class Stream(StreamLife):
    """`window`: bytes that we may send; `allowance`: that the peer may. `owed`: taken, but not credited yet; `held`:
    arrived while it was paused. `expected`: bytes that the body still has to have, -1 where nobody said.
    `_tail`: the head of the last frame of data. `blocked`: the exchange knows that something waits. `due`: its
    deadline, `touched`: when a byte last passed."""

    __slots__ = (
        "_offset",
        "_pending",
        "_tail",
        "_trailers",
        "allowance",
        "blocked",
        "connection",
        "due",
        "expected",
        "held",
        "local_ended",
        "number",
        "owed",
        "paused",
        "remote_ended",
        "touched",
        "window",
    )

    def __init__(self, connection: Http2Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.window = connection.first_window
        self.allowance = connection.stream_allowance
        self.owed = self.held = self._offset = 0
        self.expected = -1
        self.paused = self.blocked = self.local_ended = self.remote_ended = False
        self.due = inf
        self.touched = connection.wheel.now
        self._pending: deque[bytes] | None = None
        self._tail = b""
        self._trailers: Fields | None = None

    # --- out ---------------------------------------------------------------------------------------------------

    def send_data(self, data: bytes) -> None:
        connection = self.connection
        size = len(data)
        if not size or self.local_ended:
            return
        self.touched = connection.wheel.now
        if (
            self._pending is None
            and size <= self.window
            and size <= connection.window
            and size <= connection.frame_size
            and not connection.blocked
        ):
            self.window -= size
            connection.window -= size
            connection.paid += FRAMES_PAID
            self._tail = tail = pack_head(0, size, DATA, 0, self.number)
            out = connection.out
            if not out:
                connection.outbox.add(connection)
            out.append(tail)
            out.append(data)
            return
        if self._pending is None:
            self._pending = deque()
        self._pending.append(data)
        self.pump()

    def finish(self, trailers: Fields | None) -> None:
        """Our side is whole once what waits is sent."""
        if self.local_ended:
            return
        self.local_ended = True
        self._trailers = trailers
        if self._pending is None:
            self._end()

    def pump(self) -> None:
        """Send what waits, as far as the windows let."""
        connection, pending = self.connection, self._pending
        if pending is None:
            return
        while pending and not connection.blocked:
            data = pending[0]
            offset = self._offset
            left = len(data) - offset
            size = min(left, self.window, connection.window, connection.frame_size)
            if size <= 0:
                break
            self.window -= size
            connection.window -= size
            connection.paid += FRAMES_PAID
            self.touched = connection.wheel.now
            self._tail = tail = head(size, DATA, 0, self.number)
            connection.write(tail)
            if size == left:
                connection.write(data[offset:] if offset else data)
                pending.popleft()
                self._offset = 0
            else:
                connection.write(data[offset : offset + size])
                self._offset = offset + size
        if pending:
            if connection.blocked or connection.window <= 0:
                connection.stalled[self] = None
            if not self.blocked:
                self.blocked = True
                self.tell(True)
            return
        self._pending = None
        if self.local_ended:
            self._end()
        elif self.blocked:
            self.blocked = False
            self.tell(False)

    def _end(self) -> None:
        trailers, self._trailers = self._trailers, None
        connection = self.connection
        out = connection.out
        if trailers is not None:
            connection.write_head(self.number, fields_block(trailers), True)
        elif len(out) > 1 and out[-2] is self._tail:
            # The last frame of data has not left yet: it can say that it is the last.
            out[-2] = self._tail[:4] + _ENDS + self._tail[5:]
        else:
            connection.write(pack_head(0, 0, DATA, END_STREAM, self.number))
        self.sent()

    def sent(self) -> None:
        """All that we had to say has been."""
        if self.remote_ended:
            self.connection.forget(self)

    @property
    def unsent(self) -> bool:
        """Something waits for a window, or for the transport."""
        return self._pending is not None

    def leave(self) -> None:
        self.connection.forget(self)

    def drop(self) -> None:
        """Nothing more of it is sent."""
        self._pending = None
        self.local_ended = self.remote_ended = True

    def cancel(self, code: Code) -> None:
        """Reset it, unless it is over already."""
        self._pending = None
        connection = self.connection
        if connection.streams.get(self.number) is self:
            self.local_ended = self.remote_ended = True
            connection.write(rst_stream(self.number, code))
            connection.forgive(self.number)
            connection.forget(self)

    # --- in ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.touched = self.connection.wheel.now
            held, self.held = self.held, 0
            if held:
                self.owed += held
                self.connection.credit(self, held)
