"""One request of a caller's connection, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.dataplane.heads import ResponseHead
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.caller_stream import SLOTS, CallerStream
from minimesh.dataplane.http2.encode import response_block
from minimesh.dataplane.http2.stream import Stream

if TYPE_CHECKING:
    from minimesh.dataplane.http2.server import Http2Server


@apart
class Http2ServerStream(CallerStream, Stream):
    __slots__ = SLOTS

    connection: Http2Server

    def __init__(self, connection: Http2Server, number: int) -> None:
        Stream.__init__(self, connection, number)
        self.exchange = None
        self.malformed = self.tunnel = self.upload = False
        self.early = None

    def say_head(self, head: ResponseHead, end: bool) -> None:
        self.connection.write_head(self.number, head.http2 or response_block(head), end)
