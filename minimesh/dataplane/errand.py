"""A request that the mesh itself makes of a service: sent once, to one endpoint, with a limit of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from minimesh.dataplane.heads import NO_FIELDS, Fields, OutgoingHead, Pairs, RequestHead, ResponseHead
from minimesh.dataplane.ids import trace_id
from minimesh.dataplane.wheel import Timed, Wheel

if TYPE_CHECKING:
    from minimesh.dataplane.destination import Destination, Dial
    from minimesh.dataplane.streams import ClientStream, Fate
    from minimesh.model.reason import Reason


class Errand:
    """Implements ClientEvents but for what comes of the answer."""

    def __init__(self, head: RequestHead, body: bytes, traceparent: bytes) -> None:
        self._head = head
        self._body = body
        self._traceparent = traceparent
        self._dial: Dial | None = None
        self._client: ClientStream | None = None

    def failed(self, detail: str) -> None:
        """There is no answer, and none will come."""
        raise NotImplementedError

    def begin(self, service: Destination) -> None:
        pool = service.pick()
        if pool is None:
            self.failed("no endpoint is ready")
            return
        authority = service.spec.host or self._head.authority or service.spec.identity.service.encode()
        self._outgoing = OutgoingHead(self._head, self._head.target, authority, NO_FIELDS, service.spec.tls is not None)
        client = pool.take(self, self._outgoing, sure=True)
        if client is None:
            self._dial = pool.dial(self, self._outgoing)
        else:
            self.client_ready(client)

    def let_go(self) -> None:
        """It is over, whatever has come of it."""
        client, self._client = self._client, None
        if client is not None:
            client.reset()
        dial, self._dial = self._dial, None
        if dial is not None:
            dial.exchange = None

    # --- from the endpoint -------------------------------------------------------------------------------------

    def client_ready(self, stream: ClientStream) -> None:
        self._dial = None
        self._client = stream
        stream.send_head(self._outgoing, trace_id(self._traceparent), self._traceparent, self._body, True)

    def client_failed(self, reason: Reason, detail: str) -> None:
        self._dial = None
        self.failed(detail)

    def response_informational(self, head: ResponseHead) -> None: ...

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        raise NotImplementedError

    def response_data(self, data: bytes) -> None:
        raise NotImplementedError

    def response_end(self, trailers: Fields | None) -> None:
        raise NotImplementedError

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        self._client = None
        self.failed(detail)

    def request_blocked(self) -> None: ...

    def request_unblocked(self) -> None: ...


class NoAnswer(Exception):  # noqa: N818 - it is what happened
    """None came, or not in time, or none of a size that is taken."""


class Wanted(NamedTuple):
    """What is asked for, with GET."""

    target: bytes
    authority: bytes
    fields: Pairs


class Question(Errand, Timed):
    """A GET whose whole answer is wanted, if it is not too large and comes in time. Asked once."""

    def __init__(self, wanted: Wanted, traceparent: bytes, most: int) -> None:
        """most: bytes of the answer's body."""
        head = RequestHead(b"GET", wanted.target, wanted.authority, Fields(wanted.fields))
        Errand.__init__(self, head, b"", traceparent)
        Timed.__init__(self)
        self._wheel: Wheel | None = None
        self._most = most
        self._status = 0
        self._fields: Pairs = ()
        self._content = b""
        self._service: Destination | None = None

    def answered(self, status: int, fields: Pairs, body: bytes) -> None:
        raise NotImplementedError

    def ask(self, service: Destination, wheel: Wheel, within: float) -> None:
        """within: seconds."""
        self._wheel, self._service = wheel, service
        self._within = within
        wheel.arm(self, wheel.now + within)
        self.begin(service)

    def let_go(self) -> None:
        if self._wheel is not None:
            self._wheel.forget(self)
            self._wheel = None
        super().let_go()

    def timed_out(self) -> None:
        self.failed(f"no whole answer within {self._within:g} s")

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._status, self._fields = head.status, head.fields.pairs
        self._take(data, end)

    def response_data(self, data: bytes) -> None:
        self._take(data, end=False)

    def response_end(self, trailers: Fields | None) -> None:
        self._take(b"", end=True)

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        """A kept connection may just have been closed; so once more, if nothing has come."""
        self._client = None
        service, self._service = self._service, None
        if service is None or self._status:
            self.failed(detail)
        else:
            self.begin(service)

    def _take(self, data: bytes, end: bool) -> None:
        self._content += data
        if end:
            self._client = None
        if len(self._content) > self._most:
            self.failed(f"its answer has more than {self._most} bytes")
        elif end:
            self.let_go()
            self.answered(self._status, self._fields, self._content)


async def fetch(
    service: Destination, wanted: Wanted, traceparent: bytes, wheel: Wheel, within: float, most: int
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises NoAnswer. Whoever gives it up cancels it."""
    made = _Fetch(wanted, traceparent, most)
    try:
        made.ask(service, wheel, within)
        return await made.future
    finally:
        made.let_go()


class _Fetch(Question):
    def __init__(self, wanted: Wanted, traceparent: bytes, most: int) -> None:
        super().__init__(wanted, traceparent, most)
        self.future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def answered(self, status: int, fields: Pairs, body: bytes) -> None:
        if not self.future.done():
            self.future.set_result((status, body))

    def failed(self, detail: str) -> None:
        if not self.future.done():
            self.future.set_exception(NoAnswer(detail))
