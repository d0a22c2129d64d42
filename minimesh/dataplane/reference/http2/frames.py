"""Frames as hyperframe reads them, with a look at what it forgives; a head comes out whole (RFC 9113, section 4)."""

from collections.abc import Iterator

from hyperframe.exceptions import HyperframeError, InvalidFrameError
from hyperframe.frame import (
    AltSvcFrame,
    ContinuationFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PriorityFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from minimesh.dataplane.http2.frames import FRAME_SIZE, HEAD_SIZE, Code, ConnectionFault

_MOST_CONTINUATIONS = 32


class Frames:
    """`_head`: one that is not whole yet, `_pieces` of it."""

    def __init__(self) -> None:
        self._buffer = b""
        self._head: HeadersFrame | None = None
        self._pieces: list[bytes] = []

    @property
    def within_head(self) -> bool:
        return self._head is not None

    def cut(self, data: bytes) -> Iterator[Frame]:
        """As many as are whole now. Raises ConnectionFault."""
        self._buffer += data
        while len(self._buffer) >= HEAD_SIZE:
            size = int.from_bytes(self._buffer[:3], "big")
            if size > FRAME_SIZE:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame has over {FRAME_SIZE} bytes")
            end = HEAD_SIZE + size
            if len(self._buffer) < end:
                return
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            frame = self._gather(_parse(raw))
            if frame is not None:
                yield frame

    def _gather(self, frame: Frame) -> Frame | None:
        """RFC 9113, section 6.10: nothing may come between the pieces of a head."""
        head = self._head
        if isinstance(frame, ContinuationFrame):
            if head is None or frame.stream_id != head.stream_id:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a head is continued that had not begun")
            self._pieces.append(frame.data)
        elif head is not None:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a head is interrupted")
        elif isinstance(frame, HeadersFrame):
            head = self._head = frame
            self._pieces = [frame.data]
        else:
            return frame
        if len(self._pieces) > _MOST_CONTINUATIONS or sum(map(len, self._pieces)) > 4 * FRAME_SIZE:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a head goes on and on")
        if "END_HEADERS" not in frame.flags:
            return None
        head.data = b"".join(self._pieces)
        self._head = None
        return head


def _parse(raw: bytes) -> Frame:
    payload = raw[HEAD_SIZE:]
    try:
        frame, _ = Frame.parse_frame_header(memoryview(raw[:HEAD_SIZE]))
        if isinstance(frame, WindowUpdateFrame) and len(payload) == 4:
            # The reserved bit is ignored; that nothing is added may concern one stream alone.
            frame.window_increment = int.from_bytes(payload, "big") & (2**31 - 1)
        elif isinstance(frame, SettingsFrame) and "ACK" in frame.flags and payload:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS has a wrong size")
        elif isinstance(frame, PushPromiseFrame):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame came that may not come here")
        elif not isinstance(frame, AltSvcFrame | ExtensionFrame):
            frame.parse_body(memoryview(payload))
    except InvalidFrameError as error:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame has a wrong size: {error}") from error
    except HyperframeError as error:
        raise ConnectionFault(Code.PROTOCOL_ERROR, f"a frame is malformed: {error}") from error
    _check_priority(frame, len(payload))
    return frame


def _check_priority(frame: Frame, size: int) -> None:
    if not isinstance(frame, HeadersFrame | PriorityFrame):
        return
    if isinstance(frame, HeadersFrame):
        if "PRIORITY" not in frame.flags:
            return
        if "PADDED" in frame.flags and frame.pad_length + 6 > size:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a head is shorter than its priority")
    if frame.depends_on == frame.stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream depends on itself")
