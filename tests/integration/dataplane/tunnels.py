"""Both ends of a WebSocket's tunnel in a test's hands, each on HTTP/1 or on HTTP/2, spoken to alike."""

from typing import NamedTuple, Protocol

import pytest

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.websocket import accept_of, key_in
from minimesh.model import service
from tests.integration.dataplane.multiplexed import TUNNELS, Http2Peer, Pairs
from tests.integration.dataplane.stage import Stage
from tests.integration.dataplane.wire import Answer, Head, Peer, Short

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
WIRE = {1: None, 2: service.Protocol.H2}
"""What a service has to be said to speak, by the version of HTTP that it does."""


class End(Protocol):
    """One end of an open tunnel."""

    async def send(self, data: bytes) -> None: ...

    async def exactly(self, size: int) -> bytes: ...

    async def finish(self) -> None:
        """Shut this side."""
        ...

    async def finished(self) -> None:
        """The other has shut its own."""
        ...

    async def reset(self) -> None: ...

    async def was_reset(self) -> None: ...


class End1:
    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.send = peer.send
        self.exactly = peer.exactly

    async def finish(self) -> None:
        self.peer.finish()

    async def finished(self) -> None:
        assert await self.peer.rest() == b""

    async def reset(self) -> None:
        self.peer.reset()

    async def was_reset(self) -> None:
        with pytest.raises(Short) as cut:
            await self.peer.exactly(1)
        assert cut.value.reset


class End2:
    def __init__(self, peer: Http2Peer, number: int) -> None:
        self.peer = peer
        self.number = number

    async def send(self, data: bytes) -> None:
        await self.peer.pour(self.number, data)

    async def exactly(self, size: int) -> bytes:
        return await self.peer.exactly(self.number, size)

    async def finish(self) -> None:
        await self.peer.send(self.number, b"", end=True)

    async def finished(self) -> None:
        await self.peer.ended(self.number)

    async def reset(self) -> None:
        await self.peer.reset(self.number)

    async def was_reset(self) -> None:
        assert await self.peer.was_reset(self.number) == 8


class Handshake(NamedTuple):
    """A caller's: what it gets is in `answer`."""

    end: End1 | End2

    async def answer(self) -> Answer:
        """Its body read, unless it opens the tunnel. On HTTP/2 that is a 200."""
        end = self.end
        if isinstance(end, End1):
            return await end.peer.answer()
        fields = await end.peer.head(end.number)
        status = int(fields.pop(b":status"))
        body = b"" if status == 200 else await end.peer.exactly(end.number, int(fields.get(b"content-length", b"0")))
        return Answer(status, Head(b"", list(fields.items())), body, [])


async def ask(stage: Stage, version: int, fields: Pairs = (), early: bytes = b"") -> Handshake:
    """A caller's handshake. early: what follows it at once."""
    peer = await stage.call()
    if version == 1:
        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
        await peer.send(
            b"GET /chat HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n%b\r\n%b" % (KEY, lines, early)
        )
        return Handshake(End1(peer))
    h2 = Http2Peer(peer, client=True)
    await h2.begin()
    assert (await h2.told())[8] == 1
    number = await h2.websocket(fields)
    if early:
        await h2.send(number, early)
    return Handshake(End2(h2, number))


class Asked(NamedTuple):
    """A handshake as it reaches the service."""

    fields: dict[bytes, bytes]
    end: End1 | End2

    async def accept(self, fields: Pairs = (), data: bytes = b"") -> None:
        end = self.end
        if isinstance(end, End1):
            key = key_in_fields(self.fields)
            own = (b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-accept", accept_of(key))
            lines = b"".join(b"%b: %b\r\n" % pair for pair in (*own, *fields))
            await end.peer.send(b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n%b" % (lines, data))
        else:
            await end.peer.answer(end.number, 200, fields)
            if data:
                await end.peer.send(end.number, data)

    async def refuse(self, status: int, body: bytes) -> None:
        end = self.end
        if isinstance(end, End1):
            await end.peer.send(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        else:
            await end.peer.answer(end.number, status, [(b"content-length", b"%d" % len(body))])
            await end.peer.send(end.number, body, end=True)


def key_in_fields(fields: dict[bytes, bytes]) -> bytes:
    key = key_in(Fields(tuple(fields.items())))
    assert key
    return key


async def asked(stage: Stage, version: int) -> Asked:
    """The service's side of a handshake."""
    peer = await stage.service.accept()
    if version == 1:
        head = await peer.head()
        assert head.line == b"GET /chat HTTP/1.1"
        return Asked(dict(head.fields), End1(peer))
    h2 = Http2Peer(peer, client=False, settings=TUNNELS)
    await h2.begin()
    number, fields = await h2.requested()
    assert (fields[b":method"], fields[b":protocol"], fields[b":path"]) == (b"CONNECT", b"websocket", b"/chat")
    return Asked(fields, End2(h2, number))


async def opened(stage: Stage, caller: int, endpoint: int) -> tuple[End1 | End2, End1 | End2]:
    """The two ends of a tunnel."""
    handshake = await ask(stage, caller)
    request = await asked(stage, endpoint)
    await request.accept()
    assert (await handshake.answer()).status in (101, 200)
    return handshake.end, request.end
