"""One stream: what waits to be sent on it, and what came of its body and was not taken yet."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.http2.frames import FRAME_SIZE, Code
from minimesh.dataplane.http2.life import StreamLife
from minimesh.dataplane.reference.http2.fields import of_trailers

if TYPE_CHECKING:
    from minimesh.dataplane.reference.http2.connection import ReferenceConnection

_FRAMES_PAID = 3


class ReferenceStream(StreamLife):
    """`expected`: bytes that the peer's body still has to have, -1 where nobody said. `held`: bytes of it that came
    while it was paused. `blocked`: the exchange knows that something waits. `due`: its deadline, `touched`: when a byte
    last passed."""

    def __init__(self, connection: ReferenceConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.expected = -1
        self.held = 0
        self.paused = self.blocked = self.local_ended = self.remote_ended = False
        self.due = inf
        self.touched = connection.wheel.now
        self._pending = bytearray()
        self._trailers: Fields | None = None

    @property
    def awaits_head(self) -> bool:
        """The peer has to say one before it sends data."""
        return False

    # --- out ---------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> bool:
        """Something waits for a window, or for the transport."""
        return bool(self._pending)

    def send_data(self, data: bytes) -> None:
        if data and not self.local_ended:
            self._pending += data
            self.touched = self.connection.wheel.now
            self.pump()

    def finish(self, trailers: Fields | None) -> None:
        """Our side is whole once what waits is sent."""
        if self.local_ended:
            return
        self.local_ended = True
        self._trailers = trailers
        if not self._pending:
            self._end()

    def pump(self) -> None:
        """Send what waits, as far as the windows let."""
        if not self._pending:
            return
        connection, library = self.connection, self.connection.library
        while self._pending and not connection.blocked:
            size = min(len(self._pending), library.local_flow_control_window(self.number), FRAME_SIZE)
            if size <= 0:
                break
            library.send_data(self.number, bytes(self._pending[:size]))
            del self._pending[:size]
            self.touched = connection.wheel.now
            connection.paid += _FRAMES_PAID
        connection.write()
        if self._pending:
            if not self.blocked:
                self.blocked = True
                self.tell(True)
        elif self.local_ended:
            self._end()
        elif self.blocked:
            self.blocked = False
            self.tell(False)

    def _end(self) -> None:
        library, trailers = self.connection.library, self._trailers
        if trailers is None:
            library.end_stream(self.number)
        else:
            library.send_headers(self.number, of_trailers(trailers), end_stream=True)
        self.connection.write()
        self.sent()

    def sent(self) -> None:
        """All that we had to say has been."""
        if self.remote_ended:
            self.connection.forget(self)

    def leave(self) -> None:
        self.connection.forget(self)

    def drop(self) -> None:
        """Nothing more of it is sent."""
        self._pending.clear()
        self.local_ended = self.remote_ended = True

    def cancel(self, code: Code) -> None:
        """Reset it, unless it is over already."""
        connection = self.connection
        self._pending.clear()
        if connection.streams.get(self.number) is self:
            self.drop()
            connection.library.reset_stream(self.number, code)
            connection.write()
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
            self.connection.taken(self.number, held)
