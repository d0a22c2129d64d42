"""Frames of HTTP/2 as a peer writes them, and as people read them."""

from collections.abc import Iterable, Iterator

from minimesh.dataplane.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD_SIZE,
    PREFACE,
    SETTINGS_ACK,
    Code,
    Setting,
    goaway,
    head,
    headers,
    number_in,
    ping,
    read_head,
    rst_stream,
    settings,
    settings_in,
    window_update,
)
from minimesh.dataplane.http2.hpack import Decoder, Memory, block

Pairs = Iterable[tuple[bytes, bytes]]

KINDS = (
    *("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS"),
    *("PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"),
)
CANCEL = Code.CANCEL

COMMON = block(((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")))
"""The head that most requests here have."""

__all__ = [
    "ACK",
    "CANCEL",
    "COMMON",
    "END_HEADERS",
    "END_STREAM",
    "KINDS",
    "PREFACE",
    "SETTINGS_ACK",
    "Code",
    "Reader",
    "Setting",
    "answer",
    "block",
    "data",
    "frame",
    "goaway",
    "headers",
    "ping",
    "request",
    "rst_stream",
    "settings",
    "trailers",
    "window_update",
]


def frame(kind: str, flags: int, number: int, payload: bytes = b"") -> bytes:
    return head(len(payload), KINDS.index(kind), flags, number) + payload


def data(number: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    return frame("DATA", END_STREAM if end else 0, number, payload)


def request(
    number: int = 1,
    *fields: tuple[bytes, bytes],
    method: bytes = b"GET",
    path: bytes = b"/",
    authority: bytes = b"a",
    end: bool = True,
) -> bytes:
    """A head; without END_STREAM where more follows."""
    pseudo = ((b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", authority))
    return headers(number, block((*pseudo, *fields)), end)


def answer(number: int = 1, *fields: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> bytes:
    return headers(number, block(((b":status", status), *fields)), end)


def trailers(number: int, *fields: tuple[bytes, bytes], end: bool = True) -> bytes:
    return headers(number, block(fields), end)


class Reader:
    """What a codec sends, frame by frame, in words: `HEADERS 1 :status=200 end`, `DATA 1 b'hello'`, `RST_STREAM 1
    CANCEL`, `GOAWAY 1 NO_ERROR`, `WINDOW_UPDATE 0 100`. Data of one stream that comes in one go is shown as one."""

    def __init__(self) -> None:
        self._decoder: Decoder[tuple[bytes, bytes]] = Decoder(Memory(_pair, ()), table_size=4096)
        self._buffer = b""
        self._block = b""

    def read(self, sent: bytes) -> list[str]:
        said: list[str] = []
        body: tuple[int, bytes] | None = None
        for kind, flags, number, payload in self._frames(sent):
            if kind == DATA:
                before = b""
                if body is not None and body[0] == number:
                    before = body[1]
                    said.pop()
                body = (number, before + payload)
                payload = body[1]
            if kind != DATA or flags & END_STREAM:
                body = None
            said.append(" ".join(word for word in self._words(kind, flags, number, payload) if word))
        return said

    def _frames(self, sent: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        self._buffer += sent
        while len(self._buffer) >= HEAD_SIZE:
            high, low, kind, flags, number = read_head(self._buffer, 0)
            stop = HEAD_SIZE + (high << 16) + low
            if len(self._buffer) < stop:
                break
            payload, self._buffer = self._buffer[HEAD_SIZE:stop], self._buffer[stop:]
            yield kind, flags, number, payload

    def _words(self, kind: int, flags: int, number: int, payload: bytes) -> list[str]:
        name = KINDS[kind]
        ack = "ack" if flags & ACK else ""
        match name:
            case "DATA":
                return [name, str(number), str(payload) if payload else "", "end" if flags & END_STREAM else ""]
            case "HEADERS" | "CONTINUATION":
                self._block += payload
                if not flags & END_HEADERS:
                    return [name, str(number), "…"]
                fields, self._block = self._decoder.decode(self._block), b""
                shown = [f"{key.decode()}={value.decode('latin-1')}" for key, value in fields]
                return [name, str(number), *shown, "end" if flags & END_STREAM else ""]
            case "RST_STREAM":
                return [name, str(number), Code(number_in(payload)).name]
            case "SETTINGS":
                return [name, ack, *(f"{Setting(key).name}={value}" for key, value in settings_in(payload))]
            case "PING":
                return [name, ack, str(payload)]
            case "GOAWAY":
                return [name, str(number_in(payload)), Code(number_in(payload, 4)).name]
            case "WINDOW_UPDATE":
                return [name, str(number), str(number_in(payload))]
        raise AssertionError(f"{name} is never sent")


def _pair(name: bytes, value: bytes, never_indexed: bool) -> tuple[bytes, bytes]:
    return name, value
