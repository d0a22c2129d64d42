"""One request of a caller's connection, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.dataplane.heads import ResponseHead
from minimesh.dataplane.http2.caller_stream import CallerStream
from minimesh.dataplane.reference.http2.fields import of_answer
from minimesh.dataplane.reference.http2.stream import ReferenceStream

if TYPE_CHECKING:
    from minimesh.dataplane.reference.http2.server import ReferenceHttp2Server


class ReferenceServerStream(CallerStream, ReferenceStream):
    connection: ReferenceHttp2Server

    def __init__(self, connection: ReferenceHttp2Server, number: int) -> None:
        ReferenceStream.__init__(self, connection, number)
        self.exchange = None
        self.malformed = self.tunnel = self.upload = False
        self.early = None

    def say_head(self, head: ResponseHead, end: bool) -> None:
        self.connection.library.send_headers(self.number, of_answer(head), end_stream=end)
        self.connection.write()
