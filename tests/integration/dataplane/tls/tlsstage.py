"""A side of TLS that a test holds in its hands, and whom it speaks to."""

import asyncio
import ssl

from minimesh.dataplane.connecting import connect
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.tls.contexts import context_for, load_pair
from minimesh.dataplane.tls.failure import TlsError
from minimesh.dataplane.tls.handshakes import Handshakes
from minimesh.dataplane.tls.transport import TlsTransport
from minimesh.dataplane.wheel import TICK, Wheel
from minimesh.model.address import Address
from tests.certificates import Pair
from tests.integration.dataplane.stage import SETUPS, until
from tests.integration.dataplane.wire import within

LOOPS = SETUPS[:2]
BIG = bytes(range(256)) * 8192


class Talk(asyncio.Protocol):
    """Keeps what it reads. `answers`: sends it back."""

    def __init__(self, answers: bool) -> None:
        self.got = bytearray()
        self.answers = answers
        self.ended = self.lost = self.blocked = False
        self.keeps_open = True
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.tls = transport

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.answers:
            self.tls.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        return self.keeps_open

    def connection_lost(self, error: Exception | None) -> None:
        self.lost, self.error = True, error

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False


class Side:
    """Everything that TLS needs, and whoever came."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.wheel = Wheel(self.loop.time())
        self.outbox = Outbox(self.loop.call_soon)
        self.handshakes = Handshakes(self.loop.call_soon)
        self.talks: list[Talk] = []
        self.errors: list[TlsError] = []
        self.answers = True
        self.refuses: TlsError | None = None
        self.port = 0
        self.limit = 5.0
        self._server: asyncio.Server | None = None
        self.mistakes: list[object] = []
        self.loop.set_exception_handler(lambda _, context: self.mistakes.append(context))

    def secured(self, tls: TlsTransport) -> asyncio.BaseProtocol:
        if self.refuses is not None:
            raise self.refuses
        self.talks.append(Talk(self.answers))
        return self.talks[-1]

    def not_secured(self, error: TlsError) -> None:
        self.errors.append(error)

    async def serve(self, context: ssl.SSLContext) -> None:
        def make() -> TlsTransport:
            return TlsTransport(context, self, self, server_side=True, limit=self.limit)

        self._server = await self.loop.create_server(make, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def call(self, context: ssl.SSLContext, port: int, name: str = "a.test") -> Talk:
        def make() -> TlsTransport:
            return TlsTransport(context, self, self, server_side=False, limit=self.limit, server_name=name)

        await connect(self.loop, make, Address("127.0.0.1", port))
        return await self.talk()

    async def talk(self) -> Talk:
        number = len(self.talks)
        await until(lambda: len(self.talks) > number or self.errors, "a connection")
        if self.errors:
            raise self.errors[-1]
        return self.talks[-1]

    async def pass_time(self, seconds: float) -> None:
        self.wheel.turn(self.wheel.now + seconds + 2 * TICK)

    async def error(self) -> TlsError:
        await until(lambda: self.errors, "a handshake that fails")
        return self.errors[-1]

    async def close(self) -> None:
        for talk in self.talks:
            if not talk.lost:
                talk.tls.abort()
        if self._server is not None:
            self._server.close()
        await until(lambda: all(talk.lost for talk in self.talks), "every connection is gone")
        assert self.mistakes == []


def serving(pair: Pair, *alpn: str) -> ssl.SSLContext:
    context = context_for(ssl.Purpose.CLIENT_AUTH, alpn)
    load_pair(context, pair.pem, pair.key.read_bytes())
    return context


def calling(root: Pair, *alpn: str) -> ssl.SSLContext:
    context = context_for(ssl.Purpose.SERVER_AUTH, alpn)
    context.load_verify_locations(cadata=root.pem.decode())
    return context


async def openssl(*arguments: str, said: bytes = b"") -> tuple[str, str]:
    """Of s_client: what it printed, and what it said of it."""
    process = await asyncio.create_subprocess_exec(
        "openssl",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await within(process.communicate(said), 10)
    return out.decode("latin-1"), err.decode("latin-1")


async def client_of(side: Side, root: Pair, *more: str, said: bytes = b"") -> tuple[str, str]:
    to = f"127.0.0.1:{side.port}"
    return await openssl("s_client", "-connect", to, "-CAfile", str(root.certificate), *more, said=said)
