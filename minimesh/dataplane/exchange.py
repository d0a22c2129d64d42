"""One request and its answer, crossing the mesh.

The exchange joins a ServerStream and a ClientStream and knows neither's protocol. Its life is a handful of facts:

    request   open → ended                     (a tunnel's request side opens again with the 101)
    client    none → dialling → sent → none    (none again after the answer, a cut, or to be tried again)
              before that perhaps at the gates of its route (gated.py), and then perhaps in line, where the service
              has as many exchanges as it may have
    answer    none → head sent → ended         (before the head the mesh may still answer itself; after it, only cut)

Whatever ends it ends in `_finish`, which leaves one record and no reference to either stream.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from minimesh.dataplane.answers import Told, answer, answer_to_grpc, reply
from minimesh.dataplane.destination import Dial, Pool
from minimesh.dataplane.gates import Reply
from minimesh.dataplane.grpc import Messages, read_status, status_for
from minimesh.dataplane.heads import Fields, Pairs, RequestHead, ResponseHead
from minimesh.dataplane.ids import RandomBits, span_id, trace_id, traceparent
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.streams import ClientStream, Fate, ServerStream
from minimesh.dataplane.upload import Upload
from minimesh.model.grpc import counts_as, name_of
from minimesh.model.reason import CONNECT_TIMEOUT, NO_ENDPOINT, OVERLOADED, TIMEOUT, Cut, Reason
from minimesh.policy.admission import Admission
from minimesh.policy.resend import IDEMPOTENT, Loss, may_resend
from minimesh.telemetry.counters import RouteCounters
from minimesh.telemetry.histogram import bucket_of
from minimesh.telemetry.ring import Ring

_LOSSES = {Fate.UNPROCESSED: Loss.UNPROCESSED, Fate.STALE: Loss.STALE, Fate.UNKNOWN: Loss.PERHAPS_PROCESSED}


class Origin(Protocol):
    """What an exchange needs of the listener that it came in by."""

    name: str
    source: str
    unrouted: RouteCounters
    ring: Ring
    monotonic: Callable[[], float]
    random_bits: RandomBits
    make: type[Exchange]
    """What its exchanges are: of another kind where routes have gates."""

    @property
    def router(self) -> object:
        """Changes when plans made before are no longer valid."""
        ...

    def plan(self, server: ServerStream, head: RequestHead) -> Plan: ...


class Exchange:
    """Made by a listener for a head; `start` sets it going. Implements ServerEvents and ClientEvents."""

    __slots__ = (
        "_bytes_in",
        "_bytes_out",
        "_client",
        "_cut",
        "_detail",
        "_dial",
        "_first_byte",
        "_grpc_status",
        "_head",
        "_messages_in",
        "_messages_out",
        "_origin",
        "_plan",
        "_pool",
        "_reason",
        "_request_ended",
        "_response_ended",
        "_server",
        "_stale",
        "_started",
        "_status",
        "_traceparent",
        "_tries",
        "_tunnel",
        "_upload",
    )

    _plan: Plan

    def __init__(self, origin: Origin, server: ServerStream, head: RequestHead) -> None:
        self._origin = origin
        self._server: ServerStream | None = server
        self._head = head
        self._client: ClientStream | None = None
        self._dial: Dial | None = None
        self._pool: Pool | None = None
        self._upload: Upload | None = None
        self._started = origin.monotonic()
        self._first_byte = 0.0
        self._status = self._bytes_in = self._bytes_out = self._tries = self._stale = 0
        self._grpc_status = -1
        self._messages_in: Messages | None = None
        self._messages_out: Messages | None = None
        self._response_ended = self._tunnel = False
        self._reason: Reason | None = None
        self._cut = self._detail = ""
        self._traceparent = traceparent(head.traceparent, origin.random_bits)

    @property
    def started(self) -> float:
        """Monotonic seconds."""
        return self._started

    @property
    def in_line(self) -> bool:
        route = self._plan.route
        return route is not None and self in route.admission

    def start(self, data: bytes, end: bool) -> None:
        """`data` is the first of the request's body; `end`: it is all of it."""
        origin, head, server = self._origin, self._head, self._server
        assert server is not None
        plan = head.plan
        if plan.__class__ is not Plan or plan.router is not origin.router:
            plan = head.plan = origin.plan(server, head)
        self._plan = plan
        self._request_ended = end
        self._bytes_in = len(data)
        if head.grpc:
            self._messages_in, self._messages_out = Messages(), Messages()
            if data:
                self._messages_in.pass_on(data)
        if data or not (end or head.upgrade):
            self._upload = Upload(data, end)
        route = self._plan.route
        if route is None:
            origin.unrouted.requests += 1
            self._reply(plan.reply) if plan.reply else self._refuse(plan.reason or NO_ENDPOINT, plan.detail, plan.where)
            return
        route.counters.requests += 1
        limit = route.timeout
        if head.timeout is not None and (limit is None or head.timeout < limit):
            limit = head.timeout
        if limit is not None:
            server.arm(self._started + limit)
        if route.gates:
            self._ask(route, server)
            return
        admission = route.admission
        admission.count = count = admission.count + 1
        if count > admission.most:
            self._wait(admission)
        else:
            self._dispatch()

    def _ask(self, route: BoundRoute, server: ServerStream) -> None:
        """Its route has gates (gated.py)."""
        raise NotImplementedError

    def refuse(self, plan: Plan) -> None:
        """Answer something that never became a request."""
        self._plan = plan
        self._request_ended = True
        self._origin.unrouted.requests += 1
        self._refuse(plan.reason or NO_ENDPOINT, plan.detail)

    # --- towards the endpoint ----------------------------------------------------------------------------------

    def _wait(self, admission: Admission) -> None:
        """In line for the service."""
        if not admission.wait(self):
            self._refuse(OVERLOADED, f"{admission.most} requests are under way and {admission.waiting} wait")
        else:
            self.hold_back()

    def hold_back(self) -> None:
        """The caller, while it is not known yet where its body goes."""
        if not self._request_ended and self._server is not None and not self._head.upgrade:
            self._server.pause()

    def admitted(self) -> None:
        self._go_on()

    def _go_on(self, failure: Reason | None = None) -> None:
        """After the caller was held back; where that has to be again, it is."""
        if not self._request_ended and self._server is not None:
            self._server.resume()
        self._dispatch(failure)

    def _dispatch(self, failure: Reason | None = None) -> None:
        """`failure`: why the last endpoint could not be connected to."""
        route = self._plan.route
        assert route is not None
        pool = route.upstream.pick(self._pool)
        if pool is None:
            self._refuse(NO_ENDPOINT, f"{route.destination} has no endpoint that is ready")
            return
        if failure is CONNECT_TIMEOUT and pool is self._pool:
            self._refuse(failure, "the only endpoint did not accept the connection in time")
            return
        self._pool = pool
        self._tries += 1
        # Where two kept connections had been closed, the others will be as well.
        outgoing = self._plan.outgoing
        assert outgoing is not None
        client = None if self._stale > 1 else pool.take(self, outgoing, self._head.method not in IDEMPOTENT)
        if client is None:
            self._dial = pool.dial(self, outgoing)
            self.hold_back()
            return
        self._client = client
        self._send(client)

    def _send(self, client: ClientStream) -> None:
        outgoing = self._plan.outgoing
        assert outgoing is not None
        request_id = self._head.request_id or trace_id(self._traceparent)
        upload = self._upload
        if upload is None:
            client.send_head(outgoing, request_id, self._traceparent, b"", self._request_ended)
            return
        whole = upload.ended and upload.trailers is None
        client.send_head(outgoing, request_id, self._traceparent, upload.take(), whole)
        if upload.ended and not whole and self._client is client:
            client.send_end(upload.trailers)

    def client_ready(self, stream: ClientStream) -> None:
        self._dial = None
        self._client = stream
        if not self._request_ended and self._server is not None:
            self._server.resume()
        self._send(stream)

    def client_failed(self, reason: Reason, detail: str) -> None:
        self._dial = None
        if not reason.lasting and may_resend(Loss.NOT_CONNECTED, self._head.method, self._tries, self._stale):
            self._go_on(reason)
        else:
            self._refuse(reason, detail)

    # --- what the caller sends ---------------------------------------------------------------------------------

    def request_data(self, data: bytes) -> None:
        self._bytes_in += len(data)
        if self._messages_in is not None:
            self._messages_in.pass_on(data)
        client = self._client
        if self._upload is not None:
            self._upload.keep(data, client is not None)
        if client is not None:
            client.send_data(data)

    def request_end(self, trailers: Fields | None) -> None:
        self._request_ended = True
        upload = self._upload
        if upload is not None:
            upload.ended = True
            upload.trailers = trailers
        if self._client is not None:
            self._client.send_end(trailers)
        if self._tunnel and self._response_ended:
            self._close_tunnel()

    def request_cut(self, cut: Cut, detail: str) -> None:
        self._let_go()
        self._finish(self._origin.monotonic(), cut, detail)

    def request_refused(self, reason: Reason, detail: str) -> None:
        self._let_go()
        if not self._status:
            self._refuse(reason, detail)
        else:
            self._cut_answer(Cut.SLOW_BODY if reason.status == 408 else Cut.CLIENT_GONE, detail)

    def response_blocked(self) -> None:
        if self._client is not None:
            self._client.pause()

    def response_unblocked(self) -> None:
        if self._client is not None:
            self._client.resume()

    def deadline_passed(self) -> None:
        route, asked = self._plan.route, self._head.timeout
        limit = route.timeout if route is not None and route.timeout is not None else inf
        detail = f"not whole after {min(limit, inf if asked is None else asked):g} s"
        if asked is not None and asked < limit:
            detail += ", as its caller asked"
        if self.in_line:
            detail += " in line"
        self._let_go()
        if not self._status:
            self._refuse(TIMEOUT, detail)
        else:
            self._cut_answer(Cut.TIMED_OUT, detail)

    # --- what the endpoint answers -----------------------------------------------------------------------------

    def response_informational(self, head: ResponseHead) -> None:
        # RFC 9110, section 15.2.1: a 100 that the caller did not ask for means nothing to it.
        if self._server is not None and (head.status != 100 or self._head.expects_continue):
            self._server.send_informational(head)

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        server = self._server
        assert server is not None
        self._first_byte = now = self._origin.monotonic()
        self._status = head.status
        self._upload = None
        self._bytes_out += len(data)
        if self._messages_out is not None and data:
            self._messages_out.pass_on(data)
        if end:
            if self._head.grpc:
                self._grpc_status = read_status(head.fields.get(b"grpc-status"))
            client, self._client = self._client, None
            if not self._request_ended and client is not None and not self._head.upgrade:
                client.reset()
            self._finish(now, "", "")
            server.send_head(head, data, True)
            return
        if self._head.upgrade:
            if head.upgrade:
                self._tunnel = True
                server.arm(inf)
            elif self._client is not None:
                self._request_ended = True
                self._client.send_end(None)
        server.send_head(head, data, False)

    def response_data(self, data: bytes) -> None:
        self._bytes_out += len(data)
        if self._messages_out is not None:
            self._messages_out.pass_on(data)
        if self._server is not None:
            self._server.send_data(data)

    def response_end(self, trailers: Fields | None) -> None:
        server = self._server
        assert server is not None
        if self._tunnel:
            self._response_ended = True
            server.send_end(None)
            if self._request_ended:
                self._close_tunnel()
            return
        if self._head.grpc:
            self._grpc_status = read_status(trailers.get(b"grpc-status") if trailers is not None else None)
        client, self._client = self._client, None
        if not self._request_ended and client is not None:
            client.reset()
        self._finish(self._origin.monotonic(), "", "")
        server.send_end(trailers)

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        self._client = None
        if self._server is None:
            return
        if self._status:
            self._cut_answer(Cut.TIMED_OUT if reason is TIMEOUT else Cut.UPSTREAM_CUT, detail)
            return
        resendable = self._upload is None or self._upload.resendable
        if resendable and may_resend(_LOSSES[fate], self._head.method, self._tries, self._stale):
            if fate is Fate.STALE:
                self._stale += 1
                self._tries -= 1
            self._dispatch()
        else:
            self._refuse(reason, detail)

    def request_blocked(self) -> None:
        if self._server is not None:
            self._server.pause()

    def request_unblocked(self) -> None:
        if self._server is not None:
            self._server.resume()

    # --- the end -----------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """Of the endpoint, whatever it is doing."""
        client, self._client = self._client, None
        if client is not None:
            client.reset()
        dial, self._dial = self._dial, None
        if dial is not None:
            dial.exchange = None

    def _cut_answer(self, cut: Cut, detail: str) -> None:
        """The answer has begun and will not be whole: the caller must see that."""
        server = self._server
        if server is not None:
            self._finish(self._origin.monotonic(), cut, detail)
            server.reset()

    def _close_tunnel(self) -> None:
        server = self._server
        self._let_go()
        self._finish(self._origin.monotonic(), "", "")
        if server is not None:
            server.over()

    def _refuse(self, reason: Reason, detail: str, where: str = "", fields: Pairs = (), help: str = "") -> None:  # noqa: A002
        """Answer instead of the service. where: the line of minimesh.toml that says so."""
        server = self._server
        if server is None:
            return
        service, exchange = self._plan.service, span_id(self._traceparent).decode()
        told = Told(reason, service, detail, where, exchange, self._tries, server.loopback, help)
        if self._head.grpc:
            self._grpc_status = status_for(reason)
            head, body = answer_to_grpc(told, fields), b""
        else:
            head, body = answer(told, fields, bodiless=self._head.method == b"HEAD")
        self._answer(reason, f"{detail}, {where}" if where else detail, head, body)

    def _reply(self, given: Reply) -> None:
        exchange = span_id(self._traceparent)
        head, body = reply(given, exchange, bodiless=self._head.method == b"HEAD")
        self._answer(given.reason, "", head, body)

    def _answer(self, reason: Reason, detail: str, head: ResponseHead, body: bytes) -> None:
        server = self._server
        if server is None:
            return
        self._reason = reason
        self._status = head.status
        self._first_byte = now = self._origin.monotonic()
        self._bytes_out = len(body)
        self._let_go()
        self._finish(now, "", detail)
        server.send_head(head, body, True)

    def _finish(self, now: float, cut: str, detail: str) -> None:
        server, origin, head = self._server, self._origin, self._head
        assert server is not None
        self._server = None
        self._upload = None
        route = self._plan.route
        counters = origin.unrouted if route is None else route.counters
        started = self._started
        wait = self._first_byte - started if self._first_byte else 0.0
        status, reason = self._grpc_status, self._reason
        received, sent = self._messages_in, self._messages_out
        counters.classes[self._status // 100 if status < 0 else counts_as(status)] += 1
        if received is not None and sent is not None:
            counters.messages_in += received.count
            counters.messages_out += sent.count
            if status >= 0:
                name = name_of(status)
                counters.grpc[name] = counters.grpc.get(name, 0) + 1
        if self._first_byte:
            counters.latency[bucket_of(int(wait * 1e6))] += 1
        counters.bytes_in += self._bytes_in
        counters.bytes_out += self._bytes_out
        if self._tries > 1:
            counters.retries += self._tries - 1
        if reason is not None or cut:
            code = cut if reason is None else reason.code
            counters.reasons[code] = counters.reasons.get(code, 0) + 1
        origin.ring.append(
            (
                self._traceparent,
                head.request_id,
                started,
                now - started,
                wait,
                origin.source,
                "" if route is None else route.destination,
                counters.key.route,
                origin.name,
                "" if self._pool is None else self._pool.name,
                head.method,
                head.authority,
                head.target,
                self._status,
                "" if reason is None else reason.code,
                cut,
                detail,
                self._bytes_in,
                self._bytes_out,
                self._tries,
                server.peer,
                server.protocol,
                status,
                0 if received is None else received.count,
                0 if sent is None else sent.count,
                server.caller,
            )
        )
        if route is not None:
            admission = route.admission
            admission.count = count = admission.count - 1
            if count >= admission.most:
                admission.over(self)
