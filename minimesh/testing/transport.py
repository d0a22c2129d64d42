"""A connection with no socket and no loop: what a protocol writes is there at once, what it is told it is told now."""

import asyncio
from collections import deque


class MemoryTransport(asyncio.Transport):
    """The protocol's end of a connection; the methods of the test's end are `feed`, `end`, `lose`, `stall`, `take`.

    sent: all that the other end has received. ended: it has seen the end of it. aborted, closed: how and whether the
    connection is over. As with a real loop `connection_lost` comes only after the call that caused it has returned:
    each method of the test's end delivers it, and so does `settle`.
    """

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int] = ("127.0.0.1", 50_000)) -> None:
        super().__init__({"peername": peer})
        self.sent = b""
        self.ended = self.aborted = self.closed = self.reading_paused = False
        self._protocol = protocol
        self._high = 64 * 1024
        self._closing = self._end_wanted = self._stalled = self._held_back = False
        self._unsent = b""
        self._waiting: deque[bytes] = deque()
        protocol.connection_made(self)

    # --- what the protocol calls -------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        if self._end_wanted:
            raise AssertionError(f"written after the end: {bytes(data)!r}")
        if not self._stalled:
            self.sent += bytes(data)
            return
        self._unsent += bytes(data)
        if len(self._unsent) > self._high and not self._held_back:
            self._held_back = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        if not self._closing:
            self._end_wanted = True
            self._flushed()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = self.aborted = True
        self._unsent = b""

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False

    def is_reading(self) -> bool:
        return not self.reading_paused and not self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    # --- the other end -----------------------------------------------------------------------------------------

    def feed(self, data: bytes, size: int = 0) -> None:
        """Send it bytes, in pieces of `size` if given. What it does not read it gets once it reads again."""
        step = size or len(data)
        self._waiting.extend(data[start : start + step] for start in range(0, len(data), step or 1))
        self.settle()

    def end(self) -> None:
        """Shut the sending side, having sent all that `feed` was given."""
        self.settle()
        if not self._closing and not self._protocol.eof_received():
            self.close()
        self.settle()

    def lose(self, error: Exception | None = None) -> None:
        """Be gone."""
        self.abort()
        if not self.closed:
            self.closed = True
            self._protocol.connection_lost(error)

    def stall(self) -> None:
        """Take nothing more of what is written."""
        self._stalled = True

    def take(self, size: int | None = None) -> None:
        """After a stall: take so many bytes, or all from now on."""
        self._stalled = size is not None
        taken = len(self._unsent) if size is None else size
        self.sent += self._unsent[:taken]
        self._unsent = self._unsent[taken:]
        self._flushed()
        if self._held_back and len(self._unsent) <= self._high // 4:
            self._held_back = False
            self._protocol.resume_writing()
        self.settle()

    def settle(self) -> None:
        """Deliver what is due."""
        while self._waiting and self.is_reading():
            self._protocol.data_received(self._waiting.popleft())
        if self._closing and not self._unsent and not self.closed:
            self.closed = True
            self.ended = self.ended or not self.aborted
            self._protocol.connection_lost(None)

    def taken(self) -> bytes:
        """What was sent since this was last asked."""
        sent, self.sent = self.sent, b""
        return sent

    def _flushed(self) -> None:
        if self._end_wanted and not self._unsent:
            self.ended = True
