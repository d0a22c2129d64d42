"""gRPC-Web for services of gRPC: what a browser can say, which sees no trailers (grpc's PROTOCOL-WEB).

The messages are the same. The status comes as a last frame of the body instead of as trailers, and in the text form
both bodies are base64. So an exchange of gRPC is made of the call, and this stands between it and the caller.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minimesh.dataplane import base64stream
from minimesh.dataplane.base64stream import Base64Reader
from minimesh.dataplane.between import Between, call_of
from minimesh.dataplane.exchange import Origin
from minimesh.dataplane.grpc import is_grpc, message_of, status_of
from minimesh.dataplane.heads import UNKNOWN, Fields, Pairs, RequestHead, ResponseHead
from minimesh.dataplane.plan import Plan
from minimesh.model.grpc import Status
from minimesh.model.reason import BAD_REQUEST, Cut, Reason

if TYPE_CHECKING:
    from minimesh.dataplane.connections import Starts
    from minimesh.dataplane.destination import Destination
    from minimesh.dataplane.streams import ServerStream

_WEB = b"application/grpc-web"
_TYPE = re.compile(rb"application/grpc-web(-text(?:-base64)?)?(\+[a-z0-9.+-]+)?[ \t]*(?:;.*)?", re.IGNORECASE)
_REPLACED = frozenset((b"accept", b"content-length", b"content-type", b"te"))
_TRAILERS_FRAME = 0x80


def exchange(origin: Origin, server: ServerStream, head: RequestHead) -> Starts:
    """For a head of gRPC-Web: a translation and its exchange, or the exchange alone where gRPC is not spoken."""
    kind = _TYPE.fullmatch(head.fields.get(b"content-type") or b"")
    if head.method != b"POST" or kind is None:
        return origin.make(origin, server, head)
    call = head.plan
    if not isinstance(call, RequestHead):
        call = _call_of(head, kind)
    plan = call.plan
    if not isinstance(plan, Plan) or plan.router is not origin.router:
        plan = call.plan = origin.plan(server, call)
    takes = True if plan.route is None else plan.route.upstream.takes_grpc
    if takes is False:
        return origin.make(origin, server, head)
    head.plan = call
    if takes is None and plan.route is not None:
        return Undecided(origin, server, head, plan.route.upstream)
    return _translated(origin, server, head, call)


def _translated(origin: Origin, server: ServerStream, head: RequestHead, call: RequestHead) -> GrpcWeb:
    kind = _TYPE.fullmatch(head.fields.get(b"content-type") or b"")
    text = kind is not None and kind[1] is not None
    if head.expects_continue:
        server.send_informational(ResponseHead(100))
    wanted = _TYPE.search(head.fields.get(b"accept") or b"")
    web = GrpcWeb(server, text, text if wanted is None else wanted[1] is not None)
    web.bind(origin.make(origin, web, call))
    return web


def _call_of(head: RequestHead, kind: re.Match[bytes]) -> RequestHead:
    """The same call in gRPC."""
    kept = [pair for pair in head.fields.pairs if pair[0] not in _REPLACED]
    fields = (*kept, (b"content-type", b"application/grpc" + (kind[2] or b"")), (b"te", b"trailers"))
    return call_of(head, fields, UNKNOWN if head.length else 0)


class GrpcWeb(Between):
    """`_reader`: of a text body, None for a binary one. `_text`: the answer is to be text. `_foreign`: the service
    answered with something that is not gRPC, of which only the status is told."""

    __slots__ = ("_foreign", "_reader", "_text")

    def __init__(self, server: ServerStream, text: bool, wants_text: bool) -> None:
        super().__init__(server)
        self._reader = Base64Reader() if text else None
        self._text = wants_text
        self._foreign = False

    def bind(self, exchange: Starts) -> None:
        """Before anything else."""
        self._exchange = exchange

    # --- what the caller sends ---------------------------------------------------------------------------------

    def start(self, data: bytes, end: bool) -> None:
        reader = self._reader
        if reader is None:
            self._exchange.start(data, end)
            return
        try:
            read = reader.feed(data)
        except ValueError as error:
            self._exchange.start(b"", False)
            self._refuse(str(error))
            return
        whole = end and reader.whole
        self._exchange.start(read, whole)
        if end and not whole:
            self._refuse("it ends within four characters")

    def request_data(self, data: bytes) -> None:
        if self._reader is not None:
            try:
                data = self._reader.feed(data)
            except ValueError as error:
                self._refuse(str(error))
                return
        if data:
            self._exchange.request_data(data)

    def request_end(self, trailers: Fields | None) -> None:
        if self._reader is not None and not self._reader.whole:
            self._refuse("it ends within four characters")
        else:
            self._exchange.request_end(None)

    def _refuse(self, detail: str) -> None:
        self._exchange.request_refused(BAD_REQUEST, f"the body is not base64: {detail}")

    # --- what the service answers ------------------------------------------------------------------------------

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        kind = head.fields.get(b"content-type") or b""
        if not is_grpc(kind):
            self._send_foreign(head, end)
            return
        if end:
            # There are no trailers but those that stand in the head, if they do.
            told = tuple(pair for pair in head.fields.pairs if pair[0].startswith(b"grpc-"))
            body = self._written(data + _frame(told))
            self._server.send_head(self._head(head.fields.pairs, kind, len(body)), body, True)
        else:
            self._server.send_head(self._head(head.fields.pairs, kind), self._written(data), False)

    def _send_foreign(self, head: ResponseHead, end: bool) -> None:
        said = f"the service answered with HTTP status {head.status}, and not in gRPC"
        told = ((b"grpc-status", b"%d" % status_of(head.status)), (b"grpc-message", message_of(said)))
        body = self._written(_frame(told))
        self._foreign = not end
        kept = tuple(pair for pair in head.fields.pairs if pair[0] == b"vary" or pair[0].startswith(b"access-control-"))
        self._server.send_head(self._head(kept, b"application/grpc", len(body)), body, end)

    def _head(self, pairs: Pairs, kind: bytes, length: int = UNKNOWN) -> ResponseHead:
        """`kind`: what was gRPC's content type. A length is that of a body without messages, which tells the status."""
        drop = (b"content-type", b"content-length")
        kept = [pair for pair in pairs if pair[0] not in drop and (length == UNKNOWN or pair[0][:5] != b"grpc-")]
        name = _WEB + (b"-text" if self._text else b"") + kind[len(b"application/grpc") :]
        told = ((b"content-type", name),) if length == UNKNOWN else _with_length(name, length)
        return ResponseHead(200, Fields((*kept, *told)), length)

    def send_data(self, data: bytes) -> None:
        if data and not self._foreign:
            self._server.send_data(self._written(data))

    def send_end(self, trailers: Fields | None) -> None:
        if not self._foreign:
            self._server.send_data(self._written(_frame(() if trailers is None else trailers.pairs)))
        self._server.send_end(None)

    def _written(self, data: bytes) -> bytes:
        return base64stream.write(data) if self._text and data else data


def _with_length(kind: bytes, length: int) -> Pairs:
    return (b"content-type", kind), (b"content-length", b"%d" % length)


def _frame(trailers: Pairs) -> bytes:
    """Fields as the last frame of a body. A service that told no status leaves it unknown."""
    if not any(name == b"grpc-status" for name, _ in trailers):
        trailers = (*trailers, (b"grpc-status", b"%d" % Status.UNKNOWN))
    lines = b"".join([b"%b: %b\r\n" % pair for pair in trailers])
    return b"%c%b%b" % (_TRAILERS_FRAME, len(lines).to_bytes(4, "big"), lines)


class Undecided(Between):
    """A call to a service that has not shown yet what it speaks: its caller waits until that is known."""

    __slots__ = ("_data", "_decided", "_end", "_gone", "_head", "_origin", "_service", "_since")

    def __init__(self, origin: Origin, server: ServerStream, head: RequestHead, service: Destination) -> None:
        super().__init__(server)
        self._origin = origin
        self._head = head
        self._service = service
        self._since = origin.monotonic()
        self._data = b""
        self._end = self._decided = self._gone = False

    @property
    def started(self) -> float:
        return self._exchange.started if self._decided else self._since

    @property
    def in_line(self) -> bool:
        return self._decided and self._exchange.in_line

    def start(self, data: bytes, end: bool) -> None:
        self._data, self._end = data, end
        if not end:
            self._server.pause()
        self._service.find_out(self._decide)

    def _decide(self) -> None:
        if self._gone:
            return
        self._decided = True
        origin, server, head = self._origin, self._server, self._head
        call = head.plan
        if self._service.takes_grpc is False or not isinstance(call, RequestHead):
            self._exchange = origin.make(origin, server, head)
        else:
            self._exchange = _translated(origin, server, head, call)
        if not self._end:
            server.resume()
        data, self._data = self._data, b""
        self._exchange.start(data, self._end)

    def request_data(self, data: bytes) -> None:
        if self._decided:
            self._exchange.request_data(data)
        else:
            self._data += data

    def request_end(self, trailers: Fields | None) -> None:
        if self._decided:
            self._exchange.request_end(trailers)
        else:
            self._end = True

    def request_cut(self, cut: Cut, detail: str) -> None:
        if self._decided:
            self._exchange.request_cut(cut, detail)
        else:
            self._gone = True

    def request_refused(self, reason: Reason, detail: str) -> None:
        if not self._decided:
            self._end = False
            self._decide()
        self._exchange.request_refused(reason, detail)

    def response_blocked(self) -> None:
        if self._decided:
            self._exchange.response_blocked()

    def response_unblocked(self) -> None:
        if self._decided:
            self._exchange.response_unblocked()
