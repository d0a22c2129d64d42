"""Frames of HTTP/2 (RFC 9113, sections 4 and 6): their numbers, and how the ones that we send are written."""

from enum import IntEnum
from struct import Struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_SIZE = 9
FRAME_SIZE = 16 * 1024
"""Bytes of a frame's payload that everybody takes, and the most that we do."""
WINDOW = 65_535
"""What both windows begin with."""
LARGEST_WINDOW = 2**31 - 1
LAST_NUMBER = 2**31 - 1


class Code(IntEnum):
    """Error codes (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


def name_of(code: int) -> str:
    """As people read it."""
    try:
        return Code(code).name
    except ValueError:
        return str(code)


class Setting(IntEnum):
    """RFC 9113, section 6.5.2; ENABLE_CONNECT_PROTOCOL: RFC 8441, section 3."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


class ConnectionFault(Exception):  # noqa: N818 - the peer is at fault, not the program
    """The peer broke the protocol in a way that ends the connection (RFC 9113, section 5.4.1)."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


_HEAD = Struct(">BHBBL")
_NUMBER = Struct(">L")
_SETTING = Struct(">HL")

pack_head = _HEAD.pack
read_head = _HEAD.unpack_from
"""The size's high 8 bits and low 16, type, flags, stream with its reserved bit."""


def head(size: int, kind: int, flags: int, number: int) -> bytes:
    """The nine bytes before a payload; a size below 2^24."""
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, number)


def number_in(payload: bytes, at: int = 0) -> int:
    """31 bits; the reserved one is ignored."""
    value: int = _NUMBER.unpack_from(payload, at)[0]
    return value & LAST_NUMBER


def settings(values: dict[Setting, int]) -> bytes:
    payload = b"".join(_SETTING.pack(key, value) for key, value in values.items())
    return head(len(payload), SETTINGS, 0, 0) + payload


SETTINGS_ACK = head(0, SETTINGS, ACK, 0)


def settings_in(payload: bytes) -> list[tuple[int, int]]:
    return list(_SETTING.iter_unpack(payload))


def rst_stream(number: int, code: Code) -> bytes:
    return head(4, RST_STREAM, 0, number) + _NUMBER.pack(code)


def window_update(number: int, size: int) -> bytes:
    return head(4, WINDOW_UPDATE, 0, number) + _NUMBER.pack(size)


def ping(payload: bytes, flags: int = 0) -> bytes:
    return head(8, PING, flags, 0) + payload


def goaway(last: int, code: Code, detail: str = "") -> bytes:
    payload = _NUMBER.pack(last) + _NUMBER.pack(code) + detail.encode()[:256]
    return head(len(payload), GOAWAY, 0, 0) + payload


def headers(number: int, block: bytes, end: bool, most: int = FRAME_SIZE) -> bytes:
    """A block in one HEADERS frame, or with CONTINUATION behind it where it is larger than `most`."""
    flags = END_STREAM if end else 0
    size = len(block)
    if size <= most:
        return _HEAD.pack(0, size, HEADERS, flags | END_HEADERS, number) + block
    pieces = [block[at : at + most] for at in range(0, size, most)]
    written = [head(len(pieces[0]), HEADERS, flags, number) + pieces[0]]
    written += [head(len(piece), CONTINUATION, 0, number) + piece for piece in pieces[1:-1]]
    written.append(head(len(pieces[-1]), CONTINUATION, END_HEADERS, number) + pieces[-1])
    return b"".join(written)


def without_padding(payload: bytes, flags: int) -> bytes:
    """Of DATA and HEADERS (RFC 9113, section 6.1). Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a padded frame does not say its padding")
    end = len(payload) - payload[0]
    if end < 1:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "there is more padding than frame")
    return payload[1:end]
