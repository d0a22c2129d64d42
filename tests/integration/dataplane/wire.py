"""One end of a TCP connection in a test's hands: sends exactly what it is told, and sees how the other end closes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds until a wait has failed."""
_RESET = struct.pack("ii", 1, 0)


class Short(Exception):  # noqa: N818 - the message is short
    """The connection ended before the message did: what had come, and whether it was a reset."""

    def __init__(self, got: bytes, reset: bool) -> None:
        super().__init__(f"{'reset' if reset else 'closed'} after {got[:200]!r}")
        self.got = got
        self.reset = reset


class Head(NamedTuple):
    """A start line and its fields, names in lower case."""

    line: bytes
    fields: list[tuple[bytes, bytes]]

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def get(self, name: bytes) -> bytes | None:
        found = self.all(name)
        assert len(found) <= 1, f"{name!r} more than once in {self.fields}"
        return found[0] if found else None


class Answer(NamedTuple):
    status: int
    head: Head
    body: bytes
    trailers: list[tuple[bytes, bytes]]

    @property
    def reason(self) -> str:
        """The code of a mesh-made answer, "" for a service's own."""
        return (self.head.get(b"x-minimesh-reason") or b"").decode().partition(";")[0]


async def within(work: Coroutine[object, object, T], seconds: float = PATIENCE) -> T:
    async with asyncio.timeout(seconds):
        return await work


class Peer:
    """Reads only when asked to, so a test that does not ask is a peer that does not read."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._kept = b""

    # --- out ---------------------------------------------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        await within(asyncio.get_running_loop().sock_sendall(self.socket, data))

    async def pour(self, data: bytes) -> None:
        """Again and again, until the other side has gone. Raises ConnectionError then."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.send(data)
                await asyncio.sleep(0)

    def send_now(self, data: bytes) -> None:
        """Without giving the loop a turn."""
        assert self.socket.send(data) == len(data)

    async def send_bytewise(self, data: bytes) -> None:
        """Each byte in a packet of its own, with a turn of the loop between them."""
        for index in range(len(data)):
            self.send_now(data[index : index + 1])
            await asyncio.sleep(0)

    def finish(self) -> None:
        """Send a FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Send a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    # --- in ----------------------------------------------------------------------------------------------------

    async def _more(self) -> bool:
        """False at a FIN. Raises ConnectionResetError at a RST."""
        data = await within(asyncio.get_running_loop().sock_recv(self.socket, 256 * 1024))
        self._kept += data
        return bool(data)

    async def _until_there(self, size: int) -> None:
        while len(self._kept) < size:
            await self._more_or_short()

    async def _more_or_short(self) -> None:
        try:
            more = await self._more()
        except ConnectionResetError:
            raise Short(self._kept, reset=True) from None
        if not more:
            raise Short(self._kept, reset=False)

    async def exactly(self, size: int) -> bytes:
        await self._until_there(size)
        data, self._kept = self._kept[:size], self._kept[size:]
        return data

    async def until(self, end: bytes) -> bytes:
        """What comes up to and with `end`."""
        while end not in self._kept:
            await self._more_or_short()
        return await self.exactly(self._kept.index(end) + len(end))

    async def rest(self) -> bytes:
        """All that comes up to the FIN; Short(reset=True) at a RST."""
        try:
            while await self._more():
                pass
        except ConnectionResetError:
            raise Short(self._kept, reset=True) from None
        data, self._kept = self._kept, b""
        return data

    async def closed(self) -> None:
        """Waits for a FIN or a RST and for nothing else."""
        try:
            data = await self.rest()
        except Short as short:
            data = short.got
        assert data == b""

    async def closed_by_other(self) -> None:
        """A FIN has come and nothing before it."""
        assert await self.rest() == b""

    async def head_arrives(self) -> None:
        """And stays unread, with all that is behind it."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self.socket, arrived.set)
        try:
            await within(arrived.wait())
        finally:
            loop.remove_reader(self.socket)

    async def head(self) -> Head:
        line, *fields = (await self.until(b"\r\n\r\n"))[:-4].split(b"\r\n")
        return Head(line, [_field(text) for text in fields])

    async def body_of(self, head: Head) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The body of a message with that head, framed by what the head says, and its trailers."""
        if head.get(b"transfer-encoding") == b"chunked":
            return await self._chunks()
        length = head.get(b"content-length")
        return await self.exactly(int(length or 0)), []

    async def _chunks(self) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        pieces: list[bytes] = []
        while size := int((await self.until(b"\r\n")).rstrip(), 16):
            pieces.append(await self.exactly(size))
            assert await self.exactly(2) == b"\r\n"
        trailers: list[tuple[bytes, bytes]] = []
        while line := (await self.until(b"\r\n"))[:-2]:
            trailers.append(_field(line))
        return b"".join(pieces), trailers

    async def answer(self, method: bytes = b"GET") -> Answer:
        """The next head and its body. Raises Short when the body is cut."""
        head = await self.head()
        status = int(head.line.split(b" ")[1])
        if method == b"HEAD" or status < 200 or status in (204, 304):
            return Answer(status, head, b"", [])
        if head.get(b"transfer-encoding") is None and head.get(b"content-length") is None:
            return Answer(status, head, await self.rest(), [])
        body, trailers = await self.body_of(head)
        return Answer(status, head, body, trailers)

    async def ask(self, request: bytes) -> Answer:
        await self.send(request)
        return await self.answer(request.partition(b" ")[0])

    async def request(self) -> tuple[Head, bytes]:
        """As a service: the next request and its body."""
        head = await self.head()
        return head, (await self.body_of(head))[0]


def _field(text: bytes) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(b":")
    assert colon, text
    return name.lower(), value.strip()


class Service:
    """A port of 127.0.0.1, or a socket file, where connections are taken one by one, by hand."""

    def __init__(self, port: int = 0, backlog: int = 1024, *, file: Path | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET if file is None else socket.AF_UNIX)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port) if file is None else str(file))
        self.socket.listen(backlog)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1] if file is None else 0
        self.peers: list[Peer] = []

    async def accept(self) -> Peer:
        connection, _ = await within(asyncio.get_running_loop().sock_accept(self.socket))
        peer = Peer(connection)
        self.peers.append(peer)
        return peer

    async def silent(self) -> bool:
        """Whether nobody has connected; asked when whatever would have has had its turns."""
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            connection, _ = self.socket.accept()
        except BlockingIOError:
            return True
        connection.close()
        return False

    def close(self) -> None:
        self.socket.close()
        for peer in self.peers:
            peer.close()

    @asynccontextmanager
    async def serving(self, answer: bytes, *known: Peer) -> AsyncIterator[None]:
        """Meanwhile answer every request with these bytes, on as many connections as come, and on `known` ones."""

        async def converse(peer: Peer) -> None:
            try:
                while True:
                    await peer.body_of(await peer.head())
                    await peer.send(answer)
            except (Short, OSError, TimeoutError):
                peer.close()

        async def accept() -> None:
            async with asyncio.TaskGroup() as group:
                for peer in known:
                    group.create_task(converse(peer))
                while True:
                    connection, _ = await asyncio.get_running_loop().sock_accept(self.socket)
                    self.peers.append(peer := Peer(connection))
                    group.create_task(converse(peer))

        task = asyncio.ensure_future(accept())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def quickest(attempt: Callable[[], Awaitable[float]], bound: float) -> float:
    """The best of up to three times, in seconds: the machine may stall once, a wrong limit is wrong each time."""
    best = await attempt()
    for _ in range(2):
        if best >= bound:
            best = min(best, await attempt())
    return best
