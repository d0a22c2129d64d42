"""Messages in a stream of bytes: those of gRPC, each behind its length, and lines of JSON."""

MOST = 4 * 1024 * 1024
"""Bytes of a message, as in grpc's own libraries."""


class TooLarge(Exception):  # noqa: N818 - as the codecs have it
    """A message is over MOST bytes."""


class Compressed(Exception):  # noqa: N818 - likewise
    """A message is compressed, though nobody said that this is understood."""


def framed(message: bytes) -> bytes:
    """As gRPC sends it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Frames:
    """Messages of gRPC, out of pieces that are cut anywhere."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Those that are whole by now. Raises TooLarge and Compressed."""
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        at = 0
        while len(buffer) - at >= 5:
            size = int.from_bytes(buffer[at + 1 : at + 5], "big")
            if buffer[at]:
                raise Compressed
            if size > MOST:
                raise TooLarge
            if len(buffer) - at - 5 < size:
                break
            messages.append(bytes(buffer[at + 5 : at + 5 + size]))
            at += 5 + size
        del buffer[:at]
        return messages

    @property
    def whole(self) -> bool:
        return not self._buffer


class Lines:
    """Lines that are not empty, out of pieces that are cut anywhere."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Those that are whole by now. Raises TooLarge."""
        start = len(self._buffer)
        self._buffer += data
        if self._buffer.find(b"\n", start) < 0:
            lines: list[bytes] = []
        else:
            *whole, rest = self._buffer.split(b"\n")
            self._buffer = rest
            lines = [bytes(line) for line in whole if line.strip()]
        if len(self._buffer) > MOST or any(len(line) > MOST for line in lines):
            raise TooLarge
        return lines

    def rest(self) -> list[bytes]:
        """A last line without an end."""
        line = bytes(self._buffer).strip()
        self._buffer.clear()
        return [line] if line else []
