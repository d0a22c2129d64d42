"""TLS as a client of the standard library, of openssl, and of what does not speak it."""

import asyncio
import ssl
from contextlib import suppress

import pytest

from minimesh.dataplane.tls.failure import TlsError, Why
from tests.certificates import Certificates, Pair
from tests.integration.dataplane.stage import until
from tests.integration.dataplane.tls.tlsstage import BIG, Side, calling, serving
from tests.integration.dataplane.wire import within

pytestmark = pytest.mark.anyio


class Echo:
    """A server of the standard library."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def __aenter__(self) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, ssl.SSLError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self._context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


async def test_a_server_of_the_standard_library_is_spoken_to(side: Side, pair: Pair, root: Pair) -> None:
    side.answers = False
    async with Echo(serving(pair, "h2", "http/1.1")) as port:
        talk = await side.call(calling(root, "h2"), port)
        assert talk.tls.alpn == "h2"
        assert talk.tls.asked_name == "a.test"
        assert talk.tls.peer_certificate == pair.der
        talk.tls.write(BIG[:1000])
        talk.tls.write(BIG[1000:])
        await until(lambda: len(talk.got) == len(BIG))
        assert talk.got == BIG
        talk.tls.close()
        await until(lambda: talk.lost)
        assert talk.error is None


@pytest.mark.parametrize(
    ("name", "why"), [("b.test", Why.WRONG_NAME), ("127.0.0.1", None), ("a.test", Why.FOREIGN_AUTHORITY)]
)
async def test_a_server_has_to_be_who_it_is_called(
    side: Side, pair: Pair, root: Pair, certificates: Certificates, name: str, why: Why | None
) -> None:
    trusted = certificates.root("elsewhere") if why is Why.FOREIGN_AUTHORITY else root
    async with Echo(serving(pair)) as port:
        if why is None:
            await side.call(calling(trusted), port, name)
            return
        with pytest.raises(TlsError) as caught:
            await side.call(calling(trusted), port, name)
        assert caught.value.why is why


async def test_a_server_that_wants_a_certificate_says_so(side: Side, pair: Pair, root: Pair) -> None:
    """In TLS 1.3 the client is done before it hears of that."""
    server = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-CAfile", str(root.certificate)),
        *("-cert", str(pair.certificate), "-key", str(pair.key), "-naccept", "1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert server.stdout is not None
    port = 0
    while not port:
        line = await within(server.stdout.readline())
        assert line
        port = int(line.rpartition(b":")[2]) if line.startswith(b"ACCEPT") else 0
    talk = await side.call(calling(root), port)
    await until(lambda: talk.lost)
    assert isinstance(talk.error, TlsError)
    assert talk.error.why is Why.REFUSED
    assert "certificate required" in talk.error.detail
    await within(server.communicate())


async def test_a_server_that_does_not_speak_it_is_told_apart(side: Side, root: Pair) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(TlsError) as caught:
        await side.call(calling(root), server.sockets[0].getsockname()[1])
    assert caught.value.why is Why.NOT_TLS
    server.close()
