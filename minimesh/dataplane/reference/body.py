"""A body as h11 cuts it out of a connection, with a look at what it took for framing."""

import h11

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields
from minimesh.dataplane.names import is_forged
from minimesh.dataplane.reference.screen import LARGEST_TRAILERS, screen_body_end, screen_chunk_line
from minimesh.model.reason import Reason

# h11 is asked after each piece what it has not taken, which copies that: so no more than a little is given at once.
_SLICE = 4096

LONGEST_LINE = LARGEST_TRAILERS + 4096
"""What h11 may hold of a body without an event coming of it."""

# RFC 9110, section 6.5.1: what decides routing or authentication has no business behind the body.
_DROPPED = frozenset(
    b"authorization connection content-encoding content-range content-type expect forwarded host keep-alive "
    b"proxy-authorization proxy-connection set-cookie te trailer upgrade x-forwarded-client-cert x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto".split()
)


class Body:
    """`trailers` and `behind` (the bytes that are no longer the body's) are there when it is `done`."""

    def __init__(self, connection: h11.Connection, fault: Reason, *, chunked: bool) -> None:
        self._connection = connection
        self._fault = fault
        self._chunked = chunked
        self._framing = b""
        self.done = False
        self.trailers: Fields | None = None
        self.behind = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of body in it. Raises Malformed."""
        pieces: list[bytes] = []
        size = _SLICE if self._chunked else len(data)
        while True:
            if self.done:
                self.behind += data
                return pieces
            if data:
                self._connection.receive_data(data[:size])
                data = data[size:]
            self._take(pieces)
            if not data and not self.done:
                return pieces

    def end_of_input(self) -> bool:
        """The peer sends no more: whether that makes the body whole."""
        self._connection.receive_data(b"")
        try:
            return isinstance(self._connection.next_event(), h11.EndOfMessage)
        except h11.RemoteProtocolError:
            return False

    def _take(self, pieces: list[bytes]) -> None:
        while not self.done:
            event = self._next_event()
            if isinstance(event, h11.Data):
                if self._chunked:
                    screen_chunk_line(self._framing[: -len(event.data)], self._fault)
                self._framing = b""
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                if self._chunked:
                    screen_body_end(self._framing, self._fault)
                self.done = True
                self.trailers = _trailers(event)
                self.behind = self._connection.trailing_data[0]
            else:
                self._check_begun()
                return

    def _check_begun(self) -> None:
        """A line that is not whole yet: h11 would wait for the CRLF behind a bare LF."""
        begun = self._connection.trailing_data[0] if self._chunked else b""
        if begun.count(b"\n") != begun.count(b"\r\n"):
            raise Malformed(self._fault, "a line of the chunked body ends with a bare LF")

    def _next_event(self) -> object:
        before = self._connection.trailing_data[0] if self._chunked else b""
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise Malformed(self._fault, f"the body is malformed: {error}") from error
        if self._chunked:
            left = len(self._connection.trailing_data[0])
            self._framing += before[: len(before) - left]
        return event


def _trailers(end: h11.EndOfMessage) -> Fields | None:
    kept = tuple((name, value) for name, value in end.headers if name not in _DROPPED and not is_forged(name))
    return Fields(kept) if kept else None
