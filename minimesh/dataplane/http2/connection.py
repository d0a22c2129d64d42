"""A connection of HTTP/2, whichever side it is on, as frames that come in (RFC 9113, sections 4 and 6)."""

from minimesh.dataplane.http2.control import Control
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HAS_PRIORITY,
    HEAD_SIZE,
    HEADERS,
    LAST_NUMBER,
    PADDED,
    Code,
    ConnectionFault,
    number_in,
    read_head,
    without_padding,
)
from minimesh.dataplane.http2.hpack import Decoder
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.wheel import Wheel

_MOST_CONTINUATIONS = 32
_PLAIN = END_HEADERS | PADDED | HAS_PRIORITY


class Http2Connection(Control):
    """`_buffer`: a frame that is not whole. `_continued`: number and flags of a head that is not, `_pieces` of it."""

    __slots__ = ("_buffer", "_continued", "_pieces")

    def __init__(self, wheel: Wheel, outbox: Outbox, decoder: Decoder[Field]) -> None:
        super().__init__(wheel, outbox, decoder)
        self._buffer = b""
        self._continued: tuple[int, int] | None = None
        self._pieces: list[bytes] = []

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        """For the role: a whole block. `data`: all of the body, where it came at once with the head."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        try:
            self._read(self._buffer + data if self._buffer else data)
        except ConnectionFault as fault:
            self.fail(fault.code, fault.detail)

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
                if number and flags & _PLAIN == END_HEADERS:
                    self.head_came(number, data[start:stop], bool(flags & END_STREAM), None)
                else:
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
