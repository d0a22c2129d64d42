"""A connection of HTTP/2, whichever side it is on: frames in and out, SETTINGS, windows, and limits (RFC 9113).

All that one read of a socket causes, here and on other connections, leaves in one write for each (see outbox.py).
"""

import asyncio
from typing import ClassVar

from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    GOAWAY,
    HAS_PRIORITY,
    HEAD_SIZE,
    HEADERS,
    LARGEST_WINDOW,
    LAST_NUMBER,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SETTINGS_ACK,
    WINDOW,
    WINDOW_UPDATE,
    Code,
    ConnectionFault,
    Setting,
    goaway,
    headers,
    number_in,
    ping,
    read_head,
    settings_in,
    window_update,
    without_padding,
)
from minimesh.dataplane.http2.hpack import NO_TABLE, Decoder
from minimesh.dataplane.http2.patience import Patience
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.wheel import Timed, Wheel

_MOST_RESETS, _RESETS_A_SECOND = 200, 20
_MOST_IDLE_FRAMES, _IDLE_FRAMES_A_SECOND = 2_000, 200
_MOST_CONTINUATIONS = 32
_MOST_FORGIVEN = 1_024
_LINGER = 0.5


class Http2Connection(Timed):
    """`window`: bytes of bodies that we may send on all streams together; `frame_size`: at most in one frame.
    `blocked`: the transport takes no more. `stalled`: streams that wait for either.
    `ending`: GOAWAY is said, nothing that comes is read any more."""

    __slots__ = (
        "_allowance",
        "_buffer",
        "_calm",
        "_continued",
        "_decoder",
        "_forgiven",
        "_last",
        "_opening",
        "_out",
        "_outbox",
        "_owed",
        "_pieces",
        "_resets",
        "_settled",
        "_transport",
        "blocked",
        "ending",
        "first_window",
        "frame_size",
        "stalled",
        "streams",
        "wheel",
        "window",
    )

    stream_allowance: ClassVar[int] = WINDOW
    """Bytes that a peer may send on one stream before they are taken."""
    allowance: ClassVar[int] = 1024 * 1024
    """The same of all its streams together."""

    _transport: asyncio.Transport

    def __init__(self, wheel: Wheel, outbox: Outbox, decoder: Decoder[Field]) -> None:
        Timed.__init__(self)
        self.wheel = wheel
        self._outbox = outbox
        self._decoder = decoder
        self.streams: dict[int, Stream] = {}
        self.stalled: dict[Stream, None] = {}
        self.window = self.first_window = WINDOW
        self.frame_size = FRAME_SIZE
        self.blocked = self.ending = self._settled = False
        self._allowance = self.allowance
        self._owed = 0
        self._last = 0
        self._buffer = b""
        self._opening = NO_TABLE
        self._out: list[bytes] = []
        self._continued: tuple[int, int] | None = None
        self._pieces: list[bytes] = []
        self._forgiven: dict[int, None] = {}
        self._resets = Patience(_MOST_RESETS, _RESETS_A_SECOND)
        self._calm = Patience(_MOST_IDLE_FRAMES, _IDLE_FRAMES_A_SECOND)

    # --- for the role ------------------------------------------------------------------------------------------

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        """A whole block. `data`: all of the body, where it came at once with the head."""
        raise NotImplementedError

    def is_idle(self, number: int) -> bool:
        """No stream of this number was opened yet."""
        raise NotImplementedError

    def empty(self) -> None:
        """The last stream is over."""
        raise NotImplementedError

    def going_away(self, last: int, code: int, detail: str) -> None:
        """The peer opens or takes no more streams above `last`."""
        raise NotImplementedError

    def changed(self, setting: int, value: int) -> None:
        """A setting of the peer that the role alone knows."""

    # --- out ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        out = self._out
        if not out:
            self._outbox.add(self)
        out.append(data)

    def flush(self) -> None:
        out, self._out = self._out, []
        if out and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    def write_head(self, number: int, block: bytes, end: bool) -> None:
        """HEADERS; our first block says that we keep no table (RFC 7541, section 4.2)."""
        if self._opening:
            block, self._opening = self._opening + block, b""
        self.write(headers(number, block, end, self.frame_size))

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._pump_stalled()

    def _pump_stalled(self) -> None:
        stalled, self.stalled = self.stalled, {}
        for stream in stalled:
            stream.pump()

    # --- in ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        outbox = self._outbox
        outbox.reading = True
        try:
            if not self.ending:
                self._read(self._buffer + data if self._buffer else data)
        except ConnectionFault as fault:
            self.fail(fault.code, fault.detail)
        finally:
            outbox.flush()

    def _read(self, data: bytes) -> None:
        at = 0
        end = len(data)
        while end - at >= HEAD_SIZE:
            high, low, kind, flags, number = read_head(data, at)
            if high or low > FRAME_SIZE:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame has over {FRAME_SIZE} bytes")
            start = at + HEAD_SIZE
            stop = start + low
            if stop > end:
                break
            number &= LAST_NUMBER
            at = stop
            if self._continued is not None:
                self._continue(kind, flags, number, data[start:stop])
            elif kind == DATA:
                self._data(number, flags, data[start:stop])
            elif kind == HEADERS:
                if flags == END_HEADERS and end - at >= HEAD_SIZE:
                    # What is sent at once is mostly read at once: a body in one frame goes with its head.
                    high, low, kind, flags, follows = read_head(data, at)
                    if kind == DATA and flags == END_STREAM and follows == number and not high and low <= FRAME_SIZE:
                        stop2 = at + HEAD_SIZE + low
                        if low and stop2 <= end and low <= self._allowance and low <= self.stream_allowance:
                            self._spend(low)
                            at = stop2
                            self.head_came(number, data[start:stop], True, data[at - low : at])
                            self._credit(low)
                            continue
                    flags = END_HEADERS
                self._headers(number, flags, data[start:stop])
            else:
                self._control(kind, flags, number, data[start:stop])
            if self.ending:
                self._buffer = b""
                return
        self._buffer = data[at:] if at < end else b""

    def _headers(self, number: int, flags: int, payload: bytes) -> None:
        if not number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "there is a head on stream 0")
        if flags & (PADDED | HAS_PRIORITY):
            payload = without_padding(payload, flags)
            if flags & HAS_PRIORITY:
                if len(payload) < 5:
                    raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a head is shorter than its priority")
                if number_in(payload) == number:
                    raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream depends on itself")
                payload = payload[5:]
        if flags & END_HEADERS:
            self.head_came(number, payload, bool(flags & END_STREAM), None)
        else:
            self._continued = (number, flags)
            self._pieces = [payload]
            self.continuing(True)

    def continuing(self, begins: bool) -> None:
        """A head is not whole yet, or it is now: for the time that it may take."""

    def _continue(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """RFC 9113, section 6.10: nothing else may come in between."""
        assert self._continued is not None
        first, first_flags = self._continued
        if kind != CONTINUATION or number != first:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a head is interrupted")
        pieces = self._pieces
        pieces.append(payload)
        if len(pieces) > _MOST_CONTINUATIONS or sum(map(len, pieces)) > 4 * FRAME_SIZE:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a head goes on and on")
        if flags & END_HEADERS:
            self._continued = None
            self._pieces = []
            self.continuing(False)
            self.head_came(number, b"".join(pieces), bool(first_flags & END_STREAM), None)

    # --- bodies ------------------------------------------------------------------------------------------------

    def _spend(self, size: int) -> None:
        self._allowance -= size
        if self._allowance < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more came than the window of the connection")

    def _data(self, number: int, flags: int, payload: bytes) -> None:
        size = len(payload)
        self._spend(size)
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._late_data(number, size)
            return
        if flags & PADDED:
            payload = without_padding(payload, flags)
        if not payload and not flags & END_STREAM:
            self._nuisance()
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
        stream.held += size
        if flags & END_STREAM:
            stream.remote_ended = True
            stream.data(payload, True)
            held, stream.held = stream.held, 0
            self._credit(held)
        else:
            stream.data(payload, False)
            if not stream.paused:
                held, stream.held = stream.held, 0
                stream.owed += held
                self.credit(stream, held)

    def _late_data(self, number: int, size: int) -> None:
        """For a stream that is over, or that never was."""
        if not number or self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is data on stream {number}, which is not open")
        if number not in self._forgiven:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is data on stream {number}, which is over")
        self._credit(size)

    def credit(self, stream: Stream, size: int) -> None:
        """`size` more of the stream's data is taken: let the peer send as much again, in large pieces."""
        if stream.owed * 2 >= self.stream_allowance and not stream.remote_ended:
            owed, stream.owed = stream.owed, 0
            stream.allowance += owed
            self.write(window_update(stream.number, owed))
        self._credit(size)

    def _credit(self, size: int) -> None:
        self._owed = owed = self._owed + size
        if owed * 2 >= self.allowance:
            self._owed = 0
            self._allowance += owed
            self.write(window_update(0, owed))

    # --- the end of streams ------------------------------------------------------------------------------------

    def forget(self, stream: Stream) -> None:
        """It is over, both ways."""
        if self.streams.pop(stream.number, None) is None:
            return
        self.stalled.pop(stream, None)
        if stream.held:
            held, stream.held = stream.held, 0
            self._credit(held)
        if not self.streams:
            self.empty()

    def forgive(self, number: int) -> None:
        """We reset this stream: what the peer sent before it heard of that is not held against it."""
        forgiven = self._forgiven
        if len(forgiven) >= _MOST_FORGIVEN:
            del forgiven[next(iter(forgiven))]
        forgiven[number] = None

    def break_stream(self, stream: Stream, code: Code, detail: str) -> None:
        """The peer broke a rule that concerns one stream (RFC 9113, section 5.4.2)."""
        stream.cancel(code)
        stream.broken(code, detail)
        self.reset_again()

    def reset_again(self) -> None:
        """A stream was reset, by the peer or because of it: rapid reset, and made-you-reset."""
        if not self._resets.spend(self.wheel.now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams were reset")

    def _nuisance(self, cost: float = 1.0) -> None:
        """A frame that is allowed and brings nobody anything."""
        if not self._calm.spend(self.wheel.now, cost):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    # --- the connection's own frames ---------------------------------------------------------------------------

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._window_update(number, payload)
        elif kind == RST_STREAM:
            self._rst_stream(number, payload)
        elif kind == SETTINGS:
            self._settings(flags, number, payload)
        elif kind == PING:
            self._ping(flags, number, payload)
        elif kind == GOAWAY:
            if number or len(payload) < 8:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "GOAWAY is malformed")
            self.going_away(number_in(payload), number_in(payload, 4), payload[8:264].decode("latin-1"))
        elif kind == PRIORITY:
            if len(payload) != 5 or not number:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR if number else Code.PROTOCOL_ERROR, "PRIORITY is malformed")
            if number_in(payload) == number:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream depends on itself")
            self._nuisance()
        elif kind in (PUSH_PROMISE, CONTINUATION):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame came that may not come here")
        else:
            # RFC 9113, section 4.1: frames that are not known are ignored.
            self._nuisance()

    def _window_update(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE has not four bytes")
        size = number_in(payload)
        if not number:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window is opened by nothing")
            self.window += size
            if self.window > LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the window is over 2^31 - 1")
            if not self.stalled:
                self._nuisance(0.1)
            self._pump_stalled()
            return
        stream = self.streams.get(number)
        if stream is None:
            if self.is_idle(number):
                raise ConnectionFault(
                    Code.PROTOCOL_ERROR, f"the window of stream {number} is opened, which is not open"
                )
            self._nuisance(0.1)
            return
        stream.window += size
        if not size or stream.window > LARGEST_WINDOW:
            code = Code.FLOW_CONTROL_ERROR if size else Code.PROTOCOL_ERROR
            self.break_stream(stream, code, "its window is opened by nothing, or too far")
        elif stream.unsent:
            stream.pump()
        else:
            self._nuisance(0.1)

    def _rst_stream(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "RST_STREAM has not four bytes")
        if not number or self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"stream {number} is reset, which is not open")
        stream = self.streams.get(number)
        if stream is None:
            self._nuisance()
            return
        code = number_in(payload)
        self.forget(stream)
        stream.was_reset(code)
        self.reset_again()

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        """RFC 9113, section 6.5."""
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS came on a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS has a wrong size")
        if flags & ACK:
            if not self._settled:
                self._settled = True
                self._decoder.announce(0)
            return
        self._nuisance(1.0 + len(payload) / 60)
        for setting, value in settings_in(payload):
            self._set(setting, value)
        self.write(SETTINGS_ACK)

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the first window is over 2^31 - 1")
            more = value - self.first_window
            self.first_window = value
            for stream in tuple(self.streams.values()):
                stream.window += more
                if stream.window > LARGEST_WINDOW:
                    raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window is over 2^31 - 1")
                if more > 0:
                    stream.pump()
        elif setting == Setting.MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value < 1 << 24:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the size of frames is out of bounds")
        elif setting in (Setting.ENABLE_PUSH, Setting.ENABLE_CONNECT_PROTOCOL):
            if value > 1:
                raise ConnectionFault(Code.PROTOCOL_ERROR, f"{Setting(setting).name} is neither 0 nor 1")
            self.changed(setting, value)
        else:
            self.changed(setting, value)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PING came on a stream")
        if len(payload) != 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "PING has not eight bytes")
        if flags & ACK:
            self.ponged()
        else:
            self._nuisance()
            self.write(ping(payload, ACK))

    def ponged(self) -> None:
        """A PING of ours came back."""

    # --- its end -----------------------------------------------------------------------------------------------

    def fail(self, code: Code, detail: str) -> None:
        """Say GOAWAY, and close: our side first, so that it arrives. No stream goes on."""
        if self.ending:
            return
        streams = tuple(self.streams.values())
        self.streams.clear()
        self.stalled.clear()
        self.end(code, detail)
        for stream in streams:
            stream.broken(code, detail)

    def end(self, code: Code = Code.NO_ERROR, detail: str = "") -> None:
        if self.ending:
            return
        self.ending = True
        self._buffer = b""
        self._pieces = []
        self._continued = None
        self.write(goaway(self._last, code, detail))
        self.flush()
        transport = self._transport
        if not transport.is_closing():
            if transport.can_write_eof():
                transport.write_eof()
            self.wheel.arm(self, self.wheel.now + _LINGER)
