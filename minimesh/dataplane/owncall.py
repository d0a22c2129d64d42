"""A call of gRPC that the mesh itself makes, with one message: what it asks a service about itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from minimesh.dataplane.grpc import is_grpc, read_status, status_of
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, OutgoingHead, RequestHead, ResponseHead
from minimesh.dataplane.ids import trace_id
from minimesh.dataplane.transcoding.framing import Compressed, Frames, TooLarge, framed
from minimesh.model.grpc import Status

if TYPE_CHECKING:
    from minimesh.dataplane.destination import Destination, Dial
    from minimesh.dataplane.streams import ClientStream, Fate
    from minimesh.model.reason import Reason

_FIELDS = Fields(((b"content-type", b"application/grpc"), (b"te", b"trailers")))
MOST_ANSWERED = 16 * 1024 * 1024
"""Bytes of all messages of an answer."""


class CallFailed(Exception):  # noqa: N818 - it is what happened
    """status: of gRPC, as the service said it; UNAVAILABLE where nothing was heard of one."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


async def call(service: Destination, path: str, message: bytes, traceparent: bytes) -> list[bytes]:
    """The messages of the answer. Raises CallFailed. Whoever gives it up cancels it."""
    made = _OwnCall(path, message, traceparent)
    try:
        made.begin(service)
        return await made.answered
    finally:
        made.let_go()


class _OwnCall:
    """Implements ClientEvents."""

    def __init__(self, path: str, message: bytes, traceparent: bytes) -> None:
        self.answered: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._message = message
        self._traceparent = traceparent
        head = RequestHead(b"POST", path.encode(), b"", _FIELDS, UNKNOWN)
        head.multiplexed = head.grpc = True
        self._head = head
        self._dial: Dial | None = None
        self._client: ClientStream | None = None
        self._frames = Frames()
        self._messages: list[bytes] = []
        self._size = 0

    def begin(self, service: Destination) -> None:
        pool = service.pick()
        if pool is None:
            self._fail(Status.UNAVAILABLE, "no endpoint is ready")
            return
        authority = service.spec.host or service.spec.identity.service.encode()
        self._outgoing = OutgoingHead(self._head, self._head.target, authority, NO_FIELDS)
        client = pool.take(self, self._outgoing, sure=True)
        if client is None:
            self._dial = pool.dial(self, self._outgoing)
        else:
            self.client_ready(client)

    def let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.reset()
        if self._dial is not None:
            self._dial.exchange = None

    def _fail(self, status: int, detail: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(CallFailed(status, detail))

    # --- from the endpoint -------------------------------------------------------------------------------------

    def client_ready(self, stream: ClientStream) -> None:
        self._dial = None
        self._client = stream
        request_id = trace_id(self._traceparent)
        stream.send_head(self._outgoing, request_id, self._traceparent, framed(self._message), True)

    def client_failed(self, reason: Reason, detail: str) -> None:
        self._dial = None
        self._fail(Status.UNAVAILABLE, detail)

    def response_informational(self, head: ResponseHead) -> None: ...

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        if not is_grpc(head.fields.get(b"content-type") or b""):
            self._fail(status_of(head.status), f"it answered with HTTP status {head.status}, and not in gRPC")
        elif end:
            self.response_end(head.fields)
        else:
            self.response_data(data)
        if end:
            self._client = None

    def response_data(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._messages += self._frames.feed(data)
        except (TooLarge, Compressed) as error:
            self._fail(Status.INTERNAL, f"its answer cannot be read: {type(error).__name__}")
        if self._size > MOST_ANSWERED:
            self._fail(Status.RESOURCE_EXHAUSTED, "its answer is too large")

    def response_end(self, trailers: Fields | None) -> None:
        self._client = None
        status = read_status(trailers.get(b"grpc-status") if trailers is not None else None)
        if status != Status.OK:
            said = (trailers.get(b"grpc-message") or b"").decode("latin-1") if trailers is not None else ""
            self._fail(status, said or Status(status).name if status <= Status.UNAUTHENTICATED else said)
        elif not self.answered.done():
            self.answered.set_result(self._messages)

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        self._client = None
        self._fail(Status.UNAVAILABLE, detail)

    def request_blocked(self) -> None: ...

    def request_unblocked(self) -> None: ...
