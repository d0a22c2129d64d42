"""The side towards an endpoint: a dialled connection that carries the exchanges of many callers at once."""

from __future__ import annotations

import asyncio
from math import inf
from typing import ClassVar, cast

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS, MOST_INFORMATIONAL
from minimesh.dataplane.connections import WATERMARK, MultiplexedConnection, MultiplexedHome
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.connection import Http2Connection
from minimesh.dataplane.http2.encode import request_block
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    PREFACE,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
    settings,
    window_update,
)
from minimesh.dataplane.http2.hpack import Decoder, HpackError, TooLarge
from minimesh.dataplane.http2.response import MEMORY, read_response, read_trailers
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.streams import ClientEvents, ClientStream, Fate
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

MOST_STREAMS = 100
"""At once, on one connection, as long as the endpoint does not say what it takes; and never more than this."""
_LOOK = 1.0


class Http2Client(Http2Connection, MultiplexedConnection):
    """`most`: streams that the endpoint takes at once. `served`: exchanges that are over. `heard`: reads so far.
    `leaving`: it takes no more. `told`: the first SETTINGS of the endpoint came."""

    __slots__ = ("_hub", "_next", "heard", "leaving", "most", "reserved", "served", "told")

    allowance: ClassVar[int] = 8 * 1024 * 1024

    def __init__(self, hub: MultiplexedHome) -> None:
        decoder = Decoder(MEMORY, most_bytes=LARGEST_HEAD, most_fields=MOST_FIELDS)
        super().__init__(hub.wheel, hub.outbox, decoder)
        self._hub = hub
        self._next = 1
        self.most = MOST_STREAMS
        self.reserved = self.served = self.heard = 0
        self.leaving = self.told = False

    @property
    def hub(self) -> MultiplexedHome:
        return self._hub

    @property
    def transport(self) -> asyncio.Transport:
        return self._transport

    @property
    def active(self) -> int:
        return len(self.streams) + self.reserved

    @property
    def room(self) -> bool:
        return not self.leaving and len(self.streams) + self.reserved < self.most and not self.blocked

    def open(self, exchange: ClientEvents) -> Http2ClientStream:
        """It gets its number with its head."""
        self.reserved += 1
        return Http2ClientStream(self, exchange)

    def enter(self, stream: Http2ClientStream) -> int:
        """Its number: streams are numbered as their heads go out (RFC 9113, section 5.1.1)."""
        self.reserved -= 1
        number = self._next
        self._next = number + 2
        if self._next > LAST_NUMBER:
            self.withdraw()
        self.streams[number] = stream
        if len(self.streams) == 1:
            self._arm(self.wheel.now + _LOOK)
        return number

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: self.stream_allowance,
            Setting.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
        }
        self.write(PREFACE + settings(ours))
        self.write(window_update(0, self.allowance - WINDOW))

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        if not self.told:
            start = self._buffer + data
            # The first frame is SETTINGS, whatever its size (RFC 9113, section 3.4).
            if start[3:5] != b"\x04\x00"[: max(len(start) - 3, 0)] or start[:1] not in (b"", b"\0"):
                self._strange("what it sent first is not HTTP/2")
                return
        super().data_received(data)

    def _strange(self, detail: str) -> None:
        self.ending = self.leaving = True
        streams = self._take_streams()
        self._transport.abort()
        self._hub.strange(self, detail)
        for stream in streams:
            stream.cut(UPSTREAM_PROTOCOL, detail, Fate.UNPROCESSED)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        told, self.ending, self.leaving = self.told, True, True
        self.wheel.forget(self)
        self._hub.gone(self)
        if not told:
            self._hub.strange(self, "it closed the connection without a word")
        for stream in self._take_streams():
            if not told:
                fate = Fate.UNPROCESSED
            elif stream.answered or not self.served or stream.heard != self.heard:
                fate = Fate.UNKNOWN
            else:
                fate = Fate.STALE
            stream.cut(UPSTREAM_RESET, "it closed the connection before its answer was whole", fate)

    # --- from the connection -----------------------------------------------------------------------------------

    def is_idle(self, number: int) -> bool:
        return number >= self._next or not number & 1

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        stream = self.streams.get(number)
        if stream is None:
            self._late_head(number, block)
            return
        assert isinstance(stream, Http2ClientStream)
        try:
            stream.head(block, data or b"", end, self._decoder)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge) as error:
            self.break_stream(stream, Code.PROTOCOL_ERROR, error.detail)

    def _late_head(self, number: int, block: bytes) -> None:
        if self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is an answer on stream {number}, which is not open")
        if number not in self._forgiven:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is an answer on stream {number}, which is over")
        try:
            self._decoder.decode(block)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge):
            pass

    def changed(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_CONCURRENT_STREAMS:
            self.most = min(value, MOST_STREAMS)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        super()._settings(flags, number, payload)
        if not self.told:
            self.told = True
            self._hub.settled(self)
        self._hub.roomier(self)

    def going_away(self, last: int, code: int, detail: str) -> None:
        self.withdraw()
        for number, stream in tuple(self.streams.items()):
            if number > last and self.streams.pop(number, None) is not None:
                assert isinstance(stream, Http2ClientStream)
                stream.cut(UPSTREAM_RESET, f"it is going away: {_name(code)} {detail}".rstrip(), Fate.UNPROCESSED)
        if not self.streams and not self.reserved:
            self.end()

    def withdraw(self) -> None:
        """Take no more streams."""
        if not self.leaving:
            self.leaving = True
            self._hub.withdrawn(self)
            if not self.streams and not self.reserved:
                self.end()

    def empty(self) -> None:
        if self.leaving:
            if not self.reserved:
                self.end()
        else:
            self.wheel.arm(self, self.wheel.now + self._hub.keep_limit)

    def forget(self, stream: Stream) -> None:
        self.served += 1
        full = len(self.streams) + self.reserved >= self.most
        super().forget(stream)
        if full:
            self._hub.roomier(self)

    def fail(self, code: Code, detail: str) -> None:
        self.leaving = True
        self._hub.withdrawn(self)
        super().fail(code, detail)

    def abort(self) -> None:
        self.ending = self.leaving = True
        self._transport.abort()

    def _take_streams(self) -> list[Http2ClientStream]:
        streams = [stream for stream in self.streams.values() if isinstance(stream, Http2ClientStream)]
        self.streams.clear()
        self.stalled.clear()
        return streams

    # --- time --------------------------------------------------------------------------------------------------

    def _arm(self, due: float) -> None:
        if due < self.due:
            self.wheel.arm(self, due)

    def timed_out(self) -> None:
        now = self.wheel.now
        if self.ending:
            self._transport.abort()
        elif self.streams:
            for stream in tuple(self.streams.values()):
                if stream.number in self.streams:
                    stream.timed_out(now)
            if self.streams and not self.ending:
                self._arm(now + _LOOK)
        else:
            self.withdraw()


class Http2ClientStream(Stream, ClientStream):
    """`answered`: something of the answer has come. `heard`: reads of the connection before the request was sent."""

    __slots__ = ("answered", "exchange", "heard", "informational", "method", "upgrade")

    connection: Http2Client

    def __init__(self, connection: Http2Client, exchange: ClientEvents) -> None:
        super().__init__(connection, 0)
        self.exchange: ClientEvents | None = exchange
        self.answered = False
        self.heard = self.informational = 0
        self.method = self.upgrade = b""

    # --- from the connection -----------------------------------------------------------------------------------

    def head(self, block: bytes, data: bytes, end: bool, decoder: Decoder[Field]) -> None:
        """A head of the answer, with all of its body where that came at once; or trailers. Raises Malformed, and what
        the decoder raises."""
        exchange = self.exchange
        if self.answered:
            self._end_with(read_trailers(block, decoder, UPSTREAM_PROTOCOL), end)
            return
        head = read_response(block, end and not data, self.method, self.upgrade, decoder)
        if head.status < 200 and head.status != 101:
            self._interim(head, end)
            return
        self.answered = True
        if head.length > 0 or (head.length == 0 and not end and head.status != 101):
            self.expected = head.length
            if data and self.expected != len(data):
                raise Malformed(UPSTREAM_PROTOCOL, "its body is not as long as Content-Length says")
        if end:
            self._whole()
        if exchange is not None:
            exchange.response_head(head, data, end)

    def _interim(self, head: ResponseHead, end: bool) -> None:
        self.informational += 1
        if end or self.informational > MOST_INFORMATIONAL:
            raise Malformed(UPSTREAM_PROTOCOL, f"more than {MOST_INFORMATIONAL} interim answers, or a body in one")
        if self.exchange is not None:
            self.exchange.response_informational(head)

    def _end_with(self, trailers: Fields | None, end: bool) -> None:
        if not end:
            raise Malformed(UPSTREAM_PROTOCOL, "a second head does not end the answer")
        if self.expected > 0:
            raise Malformed(UPSTREAM_PROTOCOL, "its body is shorter than Content-Length says")
        exchange = self.exchange
        self._whole()
        if exchange is not None:
            exchange.response_end(trailers)

    def _whole(self) -> None:
        """The answer is: the stream is free before anybody hears of it."""
        self.remote_ended = True
        if not self.upgrade:
            self.exchange = None
        if self.local_ended and not self.unsent:
            self.connection.forget(self)

    def data(self, data: bytes, end: bool) -> None:
        exchange = self.exchange
        if not self.answered:
            self.connection.break_stream(self, Code.PROTOCOL_ERROR, "its body comes before its head")
            return
        if end:
            self._whole()
        if exchange is None:
            return
        if data:
            exchange.response_data(data)
        if end:
            exchange.response_end(None)

    def broken(self, code: Code, detail: str) -> None:
        self.cut(UPSTREAM_PROTOCOL, detail, Fate.UNKNOWN)

    def was_reset(self, code: int) -> None:
        refused = code == Code.REFUSED_STREAM and not self.answered
        self.cut(UPSTREAM_RESET, f"it reset the stream: {_name(code)}", Fate.UNPROCESSED if refused else Fate.UNKNOWN)

    def cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        exchange, self.exchange = self.exchange, None
        self.local_ended = self.remote_ended = True
        if exchange is not None:
            exchange.response_cut(reason, detail, fate)

    def tell(self, blocked: bool) -> None:
        if self.exchange is None:
            return
        if blocked:
            self.exchange.request_blocked()
        else:
            self.exchange.request_unblocked()

    def timed_out(self, now: float) -> float:
        limit = self.connection.hub.idle_limit
        if not self.paused and now - self.touched >= limit:
            self.cancel(Code.CANCEL)
            self.cut(TIMEOUT, f"not a byte for {limit:g} s", Fate.UNKNOWN)
        return inf

    # --- from the exchange -------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        connection = self.connection
        self.method = request.method
        self.upgrade = request.upgrade
        self.heard = connection.heard
        self.number = number = connection.enter(self)
        whole = end and not data
        connection.write_head(number, request_block(request, request_id, traceparent), whole)
        if whole:
            self.local_ended = True
            return
        if data:
            self.send_data(data)
        if end:
            self.finish(None)

    def send_end(self, trailers: Fields | None) -> None:
        self.finish(trailers)

    def reset(self) -> None:
        self.exchange = None
        if not self.number:
            self.connection.reserved -= 1
        elif self.local_ended and self.remote_ended:
            self.connection.forget(self)
        else:
            self.cancel(Code.CANCEL)


def _name(code: int) -> str:
    try:
        return Code(code).name
    except ValueError:
        return str(code)
