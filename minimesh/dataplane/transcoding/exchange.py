"""REST between a caller and a service of gRPC: the call that a request means, and its answer as JSON.

    request   body, path and query → one message → the call; for a stream of them each line of the body is one
    answer    one message → JSON with the status of the call; a stream → JSON lines, or server-sent events where the
              caller accepts those. A stream that fails after its head ends with the error as its last line.

An answer of one message is held until the status of the call is known, because the HTTP status follows from it.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from minimesh.dataplane.between import Between, call_of
from minimesh.dataplane.corsgate import is_preflight
from minimesh.dataplane.exchange import Origin
from minimesh.dataplane.grpc import http_of, is_grpc, read_binary, read_status, read_timeout, status_of
from minimesh.dataplane.heads import UNKNOWN, Fields, OutgoingHead, Pairs, RequestHead, ResponseHead
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.transcoding.framing import MOST, Compressed, Frames, Lines, TooLarge, framed
from minimesh.dataplane.transcoding.lane import Lane, Offload
from minimesh.model.grpc import Status
from minimesh.model.reason import BAD_MESSAGE, MESSAGE_TOO_LARGE, NO_METHOD, NOT_REFLECTED, Cut, Reason

if TYPE_CHECKING:
    from minimesh.dataplane.connections import Starts
    from minimesh.dataplane.streams import ServerStream
    from minimesh.dataplane.transcoding.compiled import Compiled
    from minimesh.dataplane.transcoding.messages import Messages
    from minimesh.model.transcoding import Binding

_REPLACED = frozenset(
    b"accept accept-encoding content-length content-type expect grpc-timeout if-match if-modified-since if-none-match "
    b"if-range if-unmodified-since range te".split()
)
_JSON, _LINES, _EVENTS = b"application/json", b"application/x-ndjson", b"text/event-stream"
_OF_BODIES = (_JSON, _LINES, b"application/jsonl")


class Asked(NamedTuple):
    """What a request means. binding None: nothing, and the plan of `call` says why."""

    call: RequestHead
    messages: Messages | None
    binding: Binding | None = None
    values: dict[str, str] = {}  # noqa: RUF012 - never changed
    query: str = ""


def exchange(origin: Origin, server: ServerStream, head: RequestHead, offload: Offload) -> Starts:
    """For a head of a listener that leads to such services: a translation with its exchange, or the exchange alone."""
    asked = head.plan
    if isinstance(asked, Asked) and isinstance(asked.call.plan, Plan) and asked.call.plan.router is origin.router:
        return _translated(origin, server, head, asked, offload)
    if isinstance(asked, Plan) and asked.router is origin.router:
        return origin.make(origin, server, head)
    plan = origin.plan(server, head)
    head.plan = plan
    route = plan.route
    if route is None or route.upstream.transcoded is False or head.grpc or head.upgrade:
        return origin.make(origin, server, head)
    if route.cors and is_preflight(head):
        return origin.make(origin, server, head)
    asked = head.plan = _asked(origin, route, plan, head, route.upstream.transcoded)
    return _translated(origin, server, head, asked, offload)


def _translated(origin: Origin, server: ServerStream, head: RequestHead, asked: Asked, offload: Offload) -> Transcoded:
    return Transcoded(origin, server, head, asked, offload)


def _asked(origin: Origin, route: BoundRoute, plan: Plan, head: RequestHead, compiled: Compiled | bool) -> Asked:
    outgoing = plan.outgoing
    assert outgoing is not None
    path, _, query = outgoing.target.decode("latin-1").partition("?")
    call = _call_of(route, head)
    if isinstance(compiled, bool):
        said = f"{route.destination} has not answered by reflection yet"
        call.plan = Plan(origin.router, reason=NOT_REFLECTED, detail=said)
        return Asked(call, None)
    found = compiled.routes.find(head.method.decode("latin-1"), path)
    if found is None:
        said = f"{route.destination} has no google.api.http annotation for {head.method.decode('latin-1')} {path}"
        call.plan = Plan(origin.router, reason=NO_METHOD, detail=said)
        return Asked(call, compiled.messages)
    binding, values = found
    sent = OutgoingHead(call, binding.call.path.encode(), outgoing.authority, outgoing.forwarded, outgoing.secured)
    sent.method = b"POST"
    call.plan = Plan(origin.router, route, sent)
    return Asked(call, compiled.messages, binding, values, query)


def _call_of(route: BoundRoute, head: RequestHead) -> RequestHead:
    """The request as the exchange has it: what its caller asked, as a call of gRPC."""
    asked = read_timeout(head.fields.get(b"grpc-timeout") or b"")
    limits = [limit for limit in (asked, route.timeout) if limit is not None]
    added: Pairs = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
    if limits:
        added = (*added, (b"grpc-timeout", b"%dm" % max(min(limits) * 1000, 1)))
    return call_of(head, (*(pair for pair in head.fields.pairs if pair[0] not in _REPLACED), *added), UNKNOWN)


class Transcoded(Between):
    """A call of one message begins when that is there, so that a service never sees a request that is none.

    `_begun`: the exchange has started. `_left`: it is over for us, though its answer may still have to be written.
    `_failure`: why the request is refused. `_foreign`: the status where the answer is not in gRPC. `_held`: 1 for the
    exchange, 2 for what is being converted."""

    __slots__ = (
        "_answered",
        "_asked",
        "_begun",
        "_body",
        "_down",
        "_events",
        "_failure",
        "_foreign",
        "_frames",
        "_head",
        "_held",
        "_json",
        "_left",
        "_lines",
        "_origin",
        "_pairs",
        "_up",
    )

    def __init__(self, origin: Origin, server: ServerStream, head: RequestHead, asked: Asked, offload: Offload) -> None:
        super().__init__(server)
        self._exchange = origin.make(origin, self, asked.call)
        self._origin = origin
        self._head = head
        self._asked = asked
        self._up = Lane(offload, self._hold_request)
        self._down = Lane(offload, self._hold_answer)
        self._body = bytearray()
        self._lines = Lines()
        self._frames = Frames()
        self._failure: Reason | None = None
        self._pairs: Pairs = ()
        self._json: bytes | None = None
        self._foreign: Status | None = None
        self._held = 0
        self._begun = self._left = self._answered = False
        self._events = _EVENTS in (head.fields.get(b"accept") or b"")

    @property
    def in_line(self) -> bool:
        return self._begun and self._exchange.in_line

    @property
    def _streams_up(self) -> bool:
        binding = self._asked.binding
        return binding is not None and binding.call.client_streams

    @property
    def _streams_down(self) -> bool:
        binding = self._asked.binding
        return binding is not None and binding.call.server_streams

    # --- what the caller sends ---------------------------------------------------------------------------------

    def start(self, data: bytes, end: bool) -> None:
        binding = self._asked.binding
        if binding is None:
            self._begin(b"", True)
            return
        if binding.body and self._head.length and not self._is_json():
            self._refuse(BAD_MESSAGE, "the content-type of the body is not application/json")
            return
        if self._head.expects_continue and not end:
            self._server.send_informational(ResponseHead(100))
        if self._streams_up:
            self._begin(b"", False)
        self.request_data(data)
        if end:
            self.request_end(None)

    def _is_json(self) -> bool:
        """A page of another site can send a form or plain text without being asked; JSON it cannot."""
        kind = (self._head.fields.get(b"content-type") or b"").partition(b";")[0].strip().lower()
        return kind in _OF_BODIES or kind.endswith(b"+json")

    def _begin(self, data: bytes, end: bool) -> None:
        self._begun = True
        self._exchange.start(data, end)

    def request_data(self, data: bytes) -> None:
        binding = self._asked.binding
        if self._over or not data or binding is None or not binding.body:
            return
        if self._streams_up:
            try:
                lines = self._lines.feed(data)
            except TooLarge:
                self._refuse(MESSAGE_TOO_LARGE, "a line of the body is over 4 MiB")
                return
            for line in lines:
                self._convert(line)
            return
        self._body += data
        if len(self._body) > MOST:
            self._refuse(MESSAGE_TOO_LARGE, "the body is over 4 MiB")

    def request_end(self, trailers: Fields | None) -> None:
        if self._over:
            return
        if self._streams_up:
            for line in self._lines.rest():
                self._convert(line)
            self._up.put(0, bytes, self._finish)
        else:
            body = bytes(self._body)
            self._body.clear()
            self._convert(body)

    def _convert(self, body: bytes) -> None:
        binding, messages = self._asked.binding, self._asked.messages
        assert binding is not None
        assert messages is not None
        work = partial(messages.request, binding, self._asked.values, self._asked.query, body)
        self._up.put(len(body), work, self._send)

    def _send(self, message: bytes | Exception) -> None:
        if self._over:
            return
        if isinstance(message, Exception):
            self._refuse(BAD_MESSAGE, str(message))
        elif len(message) > MOST:
            self._refuse(MESSAGE_TOO_LARGE, "the message is over 4 MiB")
        elif self._begun:
            self._exchange.request_data(framed(message))
        else:
            self._begin(framed(message), True)

    def _finish(self, _: bytes | Exception) -> None:
        if not self._over:
            self._exchange.request_end(None)

    def _refuse(self, reason: Reason, detail: str) -> None:
        if self._over:
            return
        self._failure = reason
        self._up.close()
        if self._begun:
            self._exchange.request_refused(reason, detail)
            return
        # It never was a call: nothing is sent, and the service hears nothing of it.
        refused = copy(self._asked.call)
        refused.plan = Plan(self._origin.router, reason=reason, detail=detail)
        self._exchange = self._origin.make(self._origin, self, refused)
        self._begin(b"", True)

    @property
    def _over(self) -> bool:
        """Whatever else comes of the request, nobody wants it."""
        return self._left or self._failure is not None

    def request_cut(self, cut: Cut, detail: str) -> None:
        self._close()
        if self._begun and not self._left:
            self._exchange.request_cut(cut, detail)
        self._left = True

    def request_refused(self, reason: Reason, detail: str) -> None:
        self._refuse(reason, detail)

    def deadline_passed(self) -> None:
        if not self._left:
            self._exchange.deadline_passed()

    # --- what the service answers ------------------------------------------------------------------------------

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        pairs = head.fields.pairs
        self._pairs = tuple(pair for pair in pairs if pair[0][:5] != b"grpc-" and pair[0][:8] != b"content-")
        if not is_grpc(head.fields.get(b"content-type") or b""):
            self._pairs = ()
            self._foreign = status_of(head.status)
            if end:
                self.send_end(None)
        elif end:
            self.send_end(head.fields)
        else:
            if self._streams_down:
                self._begin_stream()
            self.send_data(data)

    def _begin_stream(self) -> None:
        self._answered = True
        kind = _EVENTS if self._events else _LINES
        fields = (*self._pairs, (b"content-type", kind), (b"cache-control", b"no-store"))
        self._server.send_head(ResponseHead(200, Fields(fields), UNKNOWN), b"", False)

    def send_data(self, data: bytes) -> None:
        if self._left or self._foreign is not None or not data:
            return
        try:
            messages = self._frames.feed(data)
        except TooLarge:
            self._give_up("a message of its answer is over 4 MiB")
            return
        except Compressed:
            self._give_up("a message of its answer is compressed")
            return
        binding, known = self._asked.binding, self._asked.messages
        assert binding is not None
        assert known is not None
        for message in messages:
            self._down.put(len(message), partial(known.answer, binding, message), self._tell)

    def _tell(self, told: bytes | Exception) -> None:
        if isinstance(told, Exception):
            self._give_up(f"its answer is not what its descriptors say: {told}")
        elif self._streams_down:
            self._server.send_data(b"data: %b\n\n" % told if self._events else told + b"\n")
        elif self._json is None:
            self._json = told
        else:
            self._give_up("it answered with two messages")

    def _give_up(self, detail: str) -> None:
        """Of an answer that cannot be told."""
        if not self._left:
            self._left = True
            self._exchange.request_cut(Cut.UPSTREAM_CUT, detail)
        self._fail(Status.INTERNAL, detail if self._server.loopback else "the service's answer cannot be told")

    def send_end(self, trailers: Fields | None) -> None:
        self._left = True
        self._down.put(0, bytes, partial(self._conclude, trailers or Fields(())))

    def _conclude(self, trailers: Fields, _: bytes | Exception) -> None:
        """The status of the call is known."""
        told = trailers.get(b"grpc-status")
        status = read_status(told) if self._foreign is None else self._foreign
        if self._foreign is not None:
            self._fail(status, "the service did not answer in gRPC")
        elif told is None:
            self._fail(status, "the service did not tell how the call ended")
        elif status != Status.OK:
            message = unquote((trailers.get(b"grpc-message") or b"").decode("latin-1"))
            self._fail(status, message, read_binary(trailers.get(b"grpc-status-details-bin") or b""))
        elif not self._frames.whole or (self._json is None and not self._streams_down):
            self._fail(Status.INTERNAL, "the service answered without a whole message")
        elif self._json is None:
            if not self._answered:
                self._begin_stream()
            self._close()
            self._server.send_end(None)
        else:
            self._pairs += tuple(pair for pair in trailers.pairs if pair[0][:5] != b"grpc-" and pair not in self._pairs)
            self._answer(200, self._json)

    def _fail(self, status: int, message: str, details: bytes = b"") -> None:
        """Tell an error: as the answer, or as the last of one that has begun."""
        messages = self._asked.messages
        told = _status(status, message) if messages is None else messages.status(status, message, details)
        if not self._answered:
            self._answer(http_of(status) if self._failure is None else self._failure.status, told)
            return
        self._close()
        self._server.send_data(b"event: error\ndata: %b\n\n" % told if self._events else b'{"error": %b}\n' % told)
        self._server.send_end(None)

    def _answer(self, status: int, body: bytes) -> None:
        self._answered = True
        self._close()
        fields = Fields((*self._pairs, (b"content-type", _JSON), (b"content-length", b"%d" % len(body))))
        body = b"" if self._head.method == b"HEAD" else body
        self._server.send_head(ResponseHead(status, fields, len(body)), body, True)

    def reset(self) -> None:
        """The answer was cut: that is told where it still can be, and must be seen where it cannot."""
        self._left = True
        if self._answered:
            self._close()
            self._server.reset()
        else:
            self._fail(Status.UNAVAILABLE, "the answer of the service was cut")

    def _close(self) -> None:
        self._up.close()
        self._down.close()

    # --- back-pressure -----------------------------------------------------------------------------------------

    def pause(self) -> None:
        self._hold(self._held | 1)

    def resume(self) -> None:
        self._hold(self._held & ~1)

    def _hold_request(self, busy: bool) -> None:
        self._hold(self._held | 2 if busy else self._held & ~2)

    def _hold(self, held: int) -> None:
        before, self._held = self._held, held
        if held and not before:
            self._server.pause()
        elif before and not held:
            self._server.resume()

    def _hold_answer(self, busy: bool) -> None:
        if self._left or not self._begun:
            return
        if busy:
            self._exchange.response_blocked()
        else:
            self._exchange.response_unblocked()


def _status(status: int, message: str) -> bytes:
    import json  # noqa: PLC0415 - before the api is known alone

    return json.dumps({"code": status, "message": message}).encode()
