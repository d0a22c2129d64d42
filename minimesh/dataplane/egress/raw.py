"""The far side of a CONNECT: a connection whose bytes are passed on as they are (RFC 9110, section 9.3.6)."""

from minimesh.dataplane.callee import CalleeConnection
from minimesh.dataplane.connections import WATERMARK, Home
from minimesh.dataplane.heads import CONNECT, NO_FIELDS, OutgoingHead, ResponseHead
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import UPSTREAM_RESET

_REASON = b"Connection Established"


class RawConnection(CalleeConnection):
    """For one exchange, to which it is a tunnel from the first byte. `_lost`: before there was an exchange."""

    __slots__ = ("_lost",)

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._lost = False

    def data_received(self, data: bytes) -> None:
        self._wait(self._home.idle_limit)
        if self._exchange is not None and self._tunnel:
            self._exchange.response_data(data)
            return
        # Who is dialled may speak first, and does so before anybody listens.
        self._buffer += data
        if len(self._buffer) > WATERMARK:
            self.pause()

    def eof_received(self) -> bool:
        self._ended = True
        if self._exchange is not None and self._tunnel:
            self._exchange.response_end(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        super().connection_lost(error)

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        exchange = self._exchange
        assert exchange is not None
        if self._lost:
            self._exchange = None
            exchange.response_cut(UPSTREAM_RESET, "it closed the connection at once", Fate.UNPROCESSED)
            return
        self._tunnel = self._sending = self._answered = True
        self._wait(self._home.idle_limit)
        early, self._buffer = self._buffer, b""
        exchange.response_head(ResponseHead(200, NO_FIELDS, 0, _REASON, CONNECT), early, False)
        if self._exchange is not exchange:
            return
        self.resume()
        if self._ended:
            exchange.response_end(None)
