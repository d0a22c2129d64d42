"""How a body is cut out of the bytes of a connection: fixed length, chunked (RFC 9112, section 7.1), or to the end.

A reader takes bytes and appends what is body to `pieces`; it says how many bytes were not its own any more once
`done`. Nothing is kept but an unfinished line.
"""

import re
from collections.abc import Callable

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import NO_FIELDS, Fields
from minimesh.dataplane.http1.lines import PLAIN, Lines
from minimesh.model.reason import BAD_REQUEST, UPSTREAM_PROTOCOL, Reason

# Extensions may follow a semicolon; they are for the next hop alone and are dropped (section 7.1.1). The space that
# the RFC forgives before it is not: who counts it as part of the number sees another body.
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LONGEST_LINE = 4096
_LARGEST_TRAILERS = 16 * 1024
_MOST_TRAILERS = 100

# RFC 9110, section 6.5.1: what decides framing, routing or authentication has no business behind the body.
_DROPPED, _FRAMING = 1, 2
_FORBIDDEN = (
    b"authorization connection content-encoding content-range content-type expect forwarded host keep-alive "
    b"proxy-authorization proxy-connection set-cookie te trailer upgrade x-forwarded-client-cert x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto"
)
_KINDS = {**dict.fromkeys(_FORBIDDEN.split(), _DROPPED), b"content-length": _FRAMING, b"transfer-encoding": _FRAMING}
_TRAILERS = {fault: Lines(_KINDS, fault, _DROPPED) for fault in (BAD_REQUEST, UPSTREAM_PROTOCOL)}


class FixedBody:
    """So many bytes."""

    __slots__ = ("done", "left", "trailers")

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0
        self.trailers = NO_FIELDS

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        """What of data is behind the body."""
        if len(data) < self.left:
            self.left -= len(data)
            pieces.append(data)
            return b""
        rest = data[self.left :]
        pieces.append(data[: self.left] if rest else data)
        self.left = 0
        self.done = True
        return rest


class UntilClose:
    """Everything; only the end of the connection ends it."""

    __slots__ = ("done", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.trailers = NO_FIELDS

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        pieces.append(data)
        return b""


class ChunkedBody:
    """Chunks, an empty one, trailers. Raises Malformed with the given reason for anything unclear."""

    __slots__ = ("_fault", "_kept", "_left", "_reading", "_trailer_lines", "_trailer_size", "done", "trailers")

    def __init__(self, fault: Reason) -> None:
        self._fault = fault
        self._kept = b""
        self._left = 0
        # Plain functions, not bound methods: those would make a cycle of reader and method.
        self._reading: _Step = ChunkedBody._size_line
        self._trailer_lines: list[bytes] = []
        self._trailer_size = 0
        self.done = False
        self.trailers = NO_FIELDS

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        """What of data is behind the body."""
        if self._kept:
            data = self._kept + data
            self._kept = b""
        start = 0
        while not self.done:
            end = self._reading(self, data, start, pieces)
            if end < 0:
                self._kept = data[start:]
                return b""
            start = end
        return data[start:]

    def _size_line(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        line, end = self._line(data, start)
        if line is None:
            return -1
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Malformed(self._fault, "a chunk's size is not a hexadecimal number")
        self._left = int(match[1], 16)
        self._reading = ChunkedBody._data if self._left else ChunkedBody._trailer
        return end

    def _data(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        end = min(start + self._left, len(data))
        if end > start:
            pieces.append(data[start:end])
            self._left -= end - start
        elif self._left:
            return -1
        if not self._left:
            self._reading = ChunkedBody._data_end
        return end

    def _data_end(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        after = data[start : start + 2]
        if after == b"\r\n":
            self._reading = ChunkedBody._size_line
            return start + 2
        if b"\r\n".startswith(after):
            return -1
        raise Malformed(self._fault, "a chunk is not followed by CRLF")

    def _trailer(self, data: bytes, start: int, pieces: list[bytes]) -> int:
        line, end = self._line(data, start)
        if line is None:
            return -1
        if not line:
            self.done = True
            if self._trailer_lines:
                self.trailers = Fields(http1=b"\r\n".join(self._trailer_lines) + b"\r\n")
            return end
        self._trailer_size += len(line)
        if self._trailer_size > _LARGEST_TRAILERS or len(self._trailer_lines) >= _MOST_TRAILERS:
            raise Malformed(self._fault, "the trailers are too large")
        kind = _TRAILERS[self._fault].read(line)
        if kind == _FRAMING:
            raise Malformed(self._fault, "a trailer would change the framing")
        if kind == PLAIN:
            self._trailer_lines.append(line)
        return end

    def _line(self, data: bytes, start: int) -> tuple[bytes | None, int]:
        """The line that begins at start, and where the next one does; None while it is not whole."""
        end = data.find(b"\n", start, start + _LONGEST_LINE)
        if end < 0:
            if len(data) - start >= _LONGEST_LINE:
                raise Malformed(self._fault, "a line of the chunked body is too long")
            return None, start
        if end == start or data[end - 1] != 0x0D:
            raise Malformed(self._fault, "a line of the chunked body ends with a bare LF")
        return data[start : end - 1], end + 1


_Step = Callable[[ChunkedBody, bytes, int, list[bytes]], int]

Body = FixedBody | UntilClose | ChunkedBody
