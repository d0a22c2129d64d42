"""Fake streams that share a connection, as HTTP/2's do: windows, resets one by one, refusal by GOAWAY."""

from minimesh.dataplane.streams import Fate
from minimesh.model.reason import UPSTREAM_RESET, Cut
from minimesh.testing.streams import FakeClientStream, FakeServerStream, Note


class Multiplex:
    """A connection. Streams are numbered 1, 3, 5 …; each has a window of `window` bytes to send into, and so have
    all of them together. Closed for new ones after a GOAWAY."""

    def __init__(self, window: int = 65_535) -> None:
        self.window = self.stream_window = window
        self.streams: list[MultiplexedServerStream | MultiplexedClientStream] = []
        self.going_away = False

    def add(self, stream: "MultiplexedServerStream | MultiplexedClientStream") -> int:
        self.streams.append(stream)
        return 2 * len(self.streams) - 1

    def spent(self, size: int) -> None:
        self.window -= size
        self._tell()

    def grant(self, size: int, stream: "MultiplexedServerStream | MultiplexedClientStream | None" = None) -> None:
        """WINDOW_UPDATE, of a stream or of the connection."""
        if stream is None:
            self.window += size
        else:
            stream.window += size
        self._tell()

    def _tell(self) -> None:
        for stream in self.streams:
            stream.tell_window(self.window > 0 and stream.window > 0)

    def go_away(self, last: int) -> None:
        """Whatever came after stream `last` was surely not acted on."""
        self.going_away = True
        for stream in self.streams:
            if stream.number > last:
                stream.refuse()

    def lose(self) -> None:
        """The whole connection breaks."""
        self.going_away = True
        for stream in self.streams:
            stream.break_off()


class MultiplexedServerStream(FakeServerStream):
    """One of many streams of a caller's connection."""

    protocol = "http/2"

    def __init__(self, name: str, note: Note, connection: Multiplex) -> None:
        super().__init__(name, note)
        self.connection = connection
        self.window = connection.stream_window
        self.number = connection.add(self)
        self._blocked = False

    def _carry(self, data: bytes) -> None:
        super()._carry(data)
        self.window -= len(data)
        self.connection.spent(len(data))

    def tell_window(self, is_open: bool) -> None:
        if self.exchange is None or self.over_or_ended or self._blocked is not is_open:
            return
        self._blocked = not is_open
        if is_open:
            self.exchange.response_unblocked()
        else:
            self.exchange.response_blocked()

    def refuse(self) -> None:
        self.break_off()

    def break_off(self) -> None:
        """RST_STREAM, or the connection is gone."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None and not self.over_or_ended:
            self.over_or_ended = True
            exchange.request_cut(Cut.CLIENT_GONE, "the caller reset the stream")


class MultiplexedClientStream(FakeClientStream):
    """One of many streams to an endpoint; a fresh one for each exchange, so never stale."""

    def __init__(self, name: str, note: Note, connection: Multiplex) -> None:
        super().__init__(name, note)
        self.connection = connection
        self.window = connection.stream_window
        self.number = connection.add(self)
        self._blocked = False

    def _carry(self, data: bytes) -> None:
        super()._carry(data)
        self.window -= len(data)
        self.connection.spent(len(data))

    def tell_window(self, is_open: bool) -> None:
        if self.exchange is None or self.request_ended or self._blocked is not is_open:
            return
        self._blocked = not is_open
        if is_open:
            self.exchange.request_unblocked()
        else:
            self.exchange.request_blocked()

    def refuse(self) -> None:
        """REFUSED_STREAM, or a GOAWAY below this stream."""
        self._cut(Fate.UNPROCESSED, "it refused the stream")

    def break_off(self) -> None:
        self._cut(Fate.UNKNOWN, "it reset the stream")

    def _cut(self, fate: Fate, detail: str) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self.was_reset = True
            exchange.response_cut(UPSTREAM_RESET, detail, fate)
