"""What h11 forgives and is refused here, looked for in the very bytes that h11 is given or has taken."""

import re

from minimesh.dataplane.errors import Malformed
from minimesh.model.reason import Reason

_TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[ \t]*[0-9]{1,18}[ \t]*")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,15}(;[\t\x20-\x7e\x80-\xff]*)?")
_LONGEST_CHUNK_LINE = 4096
LARGEST_TRAILERS = 16 * 1024
_MOST_TRAILERS = 100


def screen_head(raw: bytes, fault: Reason) -> None:
    """A whole head, up to and with its empty line. h11 takes a bare LF for a line's end, unfolds lines, lets control
    characters stand in values, and takes equal lengths for one."""
    _, *lines = raw[:-4].split(b"\r\n")
    _screen_lines(raw[:-4].split(b"\r\n"), fault)
    lengths = values_of(b"content-length", lines)
    if len(lengths) > 1 or any(not _LENGTH.fullmatch(value) for value in lengths):
        raise Malformed(fault, "Content-Length is not one number")


def values_of(name: bytes, lines: list[bytes]) -> list[bytes]:
    """The raw values of a field."""
    pairs = [line.partition(b":") for line in lines]
    return [value for key, _, value in pairs if key.lower() == name]


def screen_chunk_line(framing: bytes, fault: Reason) -> None:
    """What h11 took between two pieces of a chunked body: the end of one chunk, the line that begins the next."""
    if framing:
        _screen_chunk_size(framing.removeprefix(b"\r\n").removesuffix(b"\r\n"), fault)


def screen_body_end(framing: bytes, fault: Reason) -> None:
    """What h11 took behind the last piece of a chunked body: the empty chunk and the trailers."""
    size, *trailers = framing.removeprefix(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    _screen_chunk_size(size.removesuffix(b"\r\n"), fault)
    if len(trailers) > _MOST_TRAILERS or sum(map(len, trailers)) > LARGEST_TRAILERS:
        raise Malformed(fault, "the trailers are too large")
    _screen_lines(trailers, fault)
    if values_of(b"content-length", trailers) or values_of(b"transfer-encoding", trailers):
        raise Malformed(fault, "a trailer would change the framing")


def _screen_chunk_size(line: bytes, fault: Reason) -> None:
    if len(line) > _LONGEST_CHUNK_LINE or not _CHUNK.fullmatch(line):
        raise Malformed(fault, "a chunk's size is not a hexadecimal number")


def _screen_lines(lines: list[bytes], fault: Reason) -> None:
    for line in lines:
        if not _TEXT.fullmatch(line):
            raise Malformed(fault, "there is a control character, a lone CR or a bare LF in the head")
        if line[:1] in (b" ", b"\t"):
            raise Malformed(fault, "a field is folded over two lines")
