"""Both ends of a request whose bodies come in pieces, each on HTTP/1 or on HTTP/2, spoken to alike."""

from collections.abc import Sequence

import pytest

from minimesh.dataplane.heads import Fields
from tests.integration.dataplane.multiplexed import Http2Peer
from tests.integration.dataplane.stage import Stage
from tests.integration.dataplane.wire import Peer, Short

Pairs = Sequence[tuple[bytes, bytes]]
Named = dict[bytes, bytes]


def _lines(fields: Pairs) -> bytes:
    return Fields(tuple(fields)).http1


class Side1:
    """On HTTP/1, with chunked bodies."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def send(self, data: bytes) -> None:
        await self.peer.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self, trailers: Pairs = ()) -> None:
        await self.peer.send(b"0\r\n%b\r\n" % _lines(trailers))

    async def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = int(await self.peer.until(b"\r\n"), 16)
            assert piece, "the body ended"
            data += (await self.peer.exactly(piece + 2))[:-2]
        assert len(data) == size
        return data

    async def ended(self) -> Named:
        """The trailers."""
        assert await self.peer.exactly(3) == b"0\r\n"
        trailers: Named = {}
        while line := (await self.peer.until(b"\r\n"))[:-2]:
            name, _, value = line.partition(b": ")
            trailers[name] = value
        return trailers

    async def leave(self) -> None:
        self.peer.close()

    async def is_cut(self) -> None:
        with pytest.raises(Short):
            await self.peer.until(b"0\r\n\r\n")


class Side2:
    """On HTTP/2; `number` is the stream's."""

    def __init__(self, peer: Http2Peer) -> None:
        self.peer = peer
        self.number = 0

    async def send(self, data: bytes) -> None:
        await self.peer.send(self.number, data)

    async def end(self, trailers: Pairs = ()) -> None:
        if trailers:
            await self.peer.trailers(self.number, trailers)
        else:
            await self.peer.send(self.number, b"", end=True)

    async def exactly(self, size: int) -> bytes:
        return await self.peer.exactly(self.number, size)

    async def ended(self) -> Named:
        await self.peer.ended(self.number)
        return await self.peer.trailing(self.number) if self.peer.has_trailers(self.number) else {}

    async def leave(self) -> None:
        await self.peer.reset(self.number)

    async def is_cut(self) -> None:
        assert await self.peer.was_reset(self.number)


class Caller1(Side1):
    async def ask(self, method: str, path: str, fields: Pairs = (), *, body: bool = False) -> None:
        coding = b"transfer-encoding: chunked\r\n" if body else b""
        start = f"{method} {path} HTTP/1.1\r\nhost: api\r\n".encode()
        await self.peer.send(start + coding + _lines(fields) + b"\r\n")

    async def head(self) -> tuple[int, Named]:
        head = await self.peer.head()
        return int(head.line.split(b" ")[1]), dict(head.fields)

    interim = head


class Caller2(Side2):
    async def ask(self, method: str, path: str, fields: Pairs = (), *, body: bool = False) -> None:
        self.number = await self.peer.request(path, fields, method=method, end=not body)

    async def head(self) -> tuple[int, Named]:
        fields = await self.peer.head(self.number)
        return int(fields.pop(b":status")), fields

    async def interim(self) -> tuple[int, Named]:
        fields = await self.peer.interim(self.number)
        return int(fields.pop(b":status")), fields


class Service1(Side1):
    async def asked(self) -> Named:
        """The fields of the next request."""
        return dict((await self.peer.head()).fields)

    async def interim(self, status: int, fields: Pairs = ()) -> None:
        await self.peer.send(b"HTTP/1.1 %d So\r\n%b\r\n" % (status, _lines(fields)))

    async def begin(self, status: int, fields: Pairs = ()) -> None:
        await self.peer.send(b"HTTP/1.1 %d So\r\ntransfer-encoding: chunked\r\n%b\r\n" % (status, _lines(fields)))


class Service2(Side2):
    async def asked(self) -> Named:
        self.number, fields = await self.peer.requested()
        return fields

    async def interim(self, status: int, fields: Pairs = ()) -> None:
        await self.peer.answer(self.number, status, fields)

    begin = interim


async def call(stage: Stage, version: int) -> Caller1 | Caller2:
    peer = await stage.call()
    if version == 1:
        return Caller1(peer)
    h2 = Http2Peer(peer, client=True)
    await h2.begin()
    return Caller2(h2)


async def accept(stage: Stage, version: int) -> Service1 | Service2:
    peer = await stage.service.accept()
    if version == 1:
        return Service1(peer)
    h2 = Http2Peer(peer, client=False)
    await h2.begin()
    return Service2(h2)
