"""The streams of a connection, the windows that they share, and what their peer may ask of us (RFC 9113, section 5).

Credit for the window of the connection is given back as the streams' bodies are taken, in large pieces.
"""

from typing import ClassVar

from minimesh.dataplane.http2.discipline import SLOTS, Discipline
from minimesh.dataplane.http2.frames import (
    END_STREAM,
    PADDED,
    WINDOW,
    Code,
    ConnectionFault,
    window_update,
    without_padding,
)
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.http2.wire import Wire
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.wheel import Wheel


class Windows(Wire, Discipline):
    """`window`: bytes of bodies that we may send on all streams together. `stalled`: streams that wait for it, or for
    the transport."""

    __slots__ = (*SLOTS, "_allowance", "_owed", "first_window", "stalled", "streams", "window")

    stream_allowance: ClassVar[int] = WINDOW
    """Bytes that a peer may send on one stream before they are taken."""
    allowance: ClassVar[int] = 1024 * 1024
    """The same of all its streams together."""
    half_stream_allowance: ClassVar[int] = stream_allowance // 2
    half_allowance: ClassVar[int] = allowance // 2
    """What is taken before the peer hears of it."""

    def __init__(self, wheel: Wheel, outbox: Outbox) -> None:
        super().__init__(wheel, outbox)
        self.streams: dict[int, Stream] = {}
        self.stalled: dict[Stream, None] = {}
        self.window = self.first_window = WINDOW
        self._allowance = self.allowance
        self._owed = 0
        self.be_patient()

    # --- out -----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._pump_stalled()

    def _pump_stalled(self) -> None:
        stalled, self.stalled = self.stalled, {}
        for stream in stalled:
            stream.pump()

    # --- bodies in -----------------------------------------------------------------------------------------------

    def _spend(self, size: int) -> None:
        self._allowance -= size
        if self._allowance < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more came than the window of the connection")

    def _data(self, number: int, flags: int, payload: bytes) -> None:
        size = len(payload)
        self._allowance -= size
        if self._allowance < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more came than the window of the connection")
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._late_data(number, size)
            return
        if flags & PADDED:
            payload = without_padding(payload, flags)
        if not payload and not flags & END_STREAM:
            self.nuisance()
        stream.allowance -= size
        if stream.allowance < 0:
            self._credit(size)
            self.break_stream(stream, Code.FLOW_CONTROL_ERROR, "more came than its window")
            return
        if stream.expected >= 0:
            stream.expected -= len(payload)
            if stream.expected < 0 or (flags & END_STREAM and stream.expected):
                self._credit(size)
                self.break_stream(stream, Code.PROTOCOL_ERROR, "its body is not as long as Content-Length says")
                return
        stream.touched = self.wheel.now
        if flags & END_STREAM:
            stream.remote_ended = True
            stream.data(payload, True)
            self._credit(size)
            return
        stream.data(payload, False)
        if not stream.paused:
            stream.owed += size
            self.credit(stream, size)
        elif self.streams.get(number) is stream:
            stream.held += size
        else:
            self._credit(size)

    def _late_data(self, number: int, size: int) -> None:
        """For a stream that is over, or that never was."""
        if not number or self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is data on stream {number}, which is not open")
        left = self.forgiven.get(number, -1) - size
        if left < 0:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is data on stream {number}, which is over")
        self.forgiven[number] = left
        if not size:
            self.nuisance()
        self._credit(size)

    def credit(self, stream: Stream, size: int) -> None:
        """`size` more of the stream's data is taken: let the peer send as much again, in large pieces."""
        if stream.owed >= self.half_stream_allowance and not stream.remote_ended:
            owed, stream.owed = stream.owed, 0
            stream.allowance += owed
            self.write(window_update(stream.number, owed))
        self._credit(size)

    def _credit(self, size: int) -> None:
        self._owed = owed = self._owed + size
        if owed >= self.half_allowance:
            self._owed = 0
            self._allowance += owed
            self.write(window_update(0, owed))

    # --- the end of streams --------------------------------------------------------------------------------------

    def forget(self, stream: Stream) -> None:
        """It is over, both ways."""
        if self.streams.pop(stream.number, None) is None:
            return
        if self.stalled:
            self.stalled.pop(stream, None)
        if stream.held:
            held, stream.held = stream.held, 0
            self._credit(held)
        if not self.streams:
            self.empty()

    def take_streams(self) -> tuple[Stream, ...]:
        """All that there are, which are no longer this connection's."""
        streams = tuple(self.streams.values())
        self.streams.clear()
        self.stalled.clear()
        return streams
