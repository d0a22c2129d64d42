"""A call of gRPC that the mesh itself makes, with one message: what it asks a service about itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from minimesh.dataplane.errand import Errand
from minimesh.dataplane.grpc import is_grpc, read_status, status_of
from minimesh.dataplane.heads import UNKNOWN, Fields, RequestHead, ResponseHead
from minimesh.dataplane.transcoding.framing import Compressed, Frames, TooLarge, framed
from minimesh.model.grpc import Status

if TYPE_CHECKING:
    from minimesh.dataplane.destination import Destination

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


class _OwnCall(Errand):
    def __init__(self, path: str, message: bytes, traceparent: bytes) -> None:
        self.answered: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        head = RequestHead(b"POST", path.encode(), b"", _FIELDS, UNKNOWN)
        head.multiplexed = head.grpc = True
        super().__init__(head, framed(message), traceparent)
        self._frames = Frames()
        self._messages: list[bytes] = []
        self._size = 0

    def failed(self, detail: str) -> None:
        self._fail(Status.UNAVAILABLE, detail)

    def _fail(self, status: int, detail: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(CallFailed(status, detail))

    # --- from the endpoint -------------------------------------------------------------------------------------

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
