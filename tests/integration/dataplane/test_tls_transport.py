"""TLS on both sides against whoever else speaks it: openssl, the standard library, and bytes that are not TLS."""

import asyncio
import gc
import socket
import ssl
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from minimesh.dataplane.connecting import connect, join
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.tls.contexts import choose_by_name, context_for, load_pair
from minimesh.dataplane.tls.failure import TlsError, Why
from minimesh.dataplane.tls.handshakes import Handshakes
from minimesh.dataplane.tls.transport import TlsTransport
from minimesh.dataplane.wheel import TICK, Wheel
from minimesh.model.address import Address
from tests.certificates import Certificates, Pair
from tests.integration.dataplane.stage import SETUPS, Setup, until
from tests.integration.dataplane.wire import Peer, Short, within

pytestmark = pytest.mark.anyio
LOOPS = SETUPS[:2]
BIG = bytes(range(256)) * 8192


@pytest.fixture(params=LOOPS, ids=str)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    setup: Setup = request.param
    return "asyncio", {"use_uvloop": setup.uvloop}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def root(certificates: Certificates) -> Pair:
    return certificates.root("root")


@pytest.fixture(scope="module")
def pair(certificates: Certificates, root: Pair) -> Pair:
    return certificates.leaf("a", root, "DNS:a.test", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other(certificates: Certificates, root: Pair) -> Pair:
    return certificates.leaf("b", root, "DNS:b.test")


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


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    yield side
    await side.close()


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


# --- as a server -------------------------------------------------------------------------------------------------


async def test_openssl_is_served_and_verifies_us(side: Side, pair: Pair, root: Pair) -> None:
    await side.serve(serving(pair, "h2", "http/1.1"))
    out, _ = await client_of(
        side, root, "-servername", "a.test", "-verify_return_error", "-alpn", "http/1.1", said=b"hello\n"
    )
    assert "Verify return code: 0 (ok)" in out
    assert "TLSv1.3" in out
    talk = side.talks[0]
    assert talk.got == b"hello\n"
    assert talk.tls.alpn == "http/1.1"
    await until(lambda: talk.lost)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_what_comes_passes_whole_in_either_version(side: Side, pair: Pair, root: Pair, version: str) -> None:
    await side.serve(serving(pair))
    context = calling(root)
    context.minimum_version = context.maximum_version = (
        ssl.TLSVersion.TLSv1_2 if version == "-tls1_2" else ssl.TLSVersion.TLSv1_3
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", side.port, ssl=context, server_hostname="a.test")
    writer.write(BIG)
    assert await within(reader.readexactly(len(BIG))) == BIG
    assert side.talks[0].tls.version == ("TLSv1.2" if version == "-tls1_2" else "TLSv1.3")
    writer.close()
    await until(lambda: side.talks[0].ended)


async def test_a_client_is_served_by_the_name_that_it_asks_for(side: Side, pair: Pair, other: Pair, root: Pair) -> None:
    contexts = {"": serving(pair), "a.test": serving(pair), "b.test": serving(other)}
    entrance = serving(pair)
    choose_by_name(entrance, contexts.get)
    await side.serve(entrance)
    out, _ = await client_of(side, root, "-servername", "B.test", "-verify_hostname", "b.test")
    assert "Verify return code: 0 (ok)" in out
    assert side.talks[0].tls.asked_name == "b.test"
    _, err = await client_of(side, root, "-servername", "c.test")
    assert "unrecognized name" in err


async def test_who_has_to_show_a_certificate_is_known_by_it(side: Side, pair: Pair, other: Pair, root: Pair) -> None:
    context = serving(pair)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root.pem.decode())
    await side.serve(context)
    await client_of(side, root, "-cert", str(other.certificate), "-key", str(other.key), said=b"x")
    assert side.talks[0].tls.peer_certificate == other.der
    assert side.talks[0].got == b"x"


@pytest.mark.parametrize(
    ("whose", "why", "alert"),
    [
        ("nobody", Why.NO_CERTIFICATE, "certificate required"),
        ("stranger", Why.FOREIGN_AUTHORITY, "unknown ca"),
        ("itself", Why.FOREIGN_AUTHORITY, "unknown ca"),
    ],
)
async def test_who_shows_none_or_a_foreign_one_gets_an_alert(
    side: Side, pair: Pair, root: Pair, certificates: Certificates, whose: str, why: Why, alert: str
) -> None:
    context = serving(pair)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root.pem.decode())
    await side.serve(context)
    shown: list[str] = []
    if whose != "nobody":
        signer = certificates.root("foreign") if whose == "stranger" else None
        shows = certificates.leaf(whose, signer, "DNS:a.test")
        shown = ["-cert", str(shows.certificate), "-key", str(shows.key)]
    _, err = await client_of(side, root, *shown, "-ign_eof", said=b"GET / HTTP/1.1\r\n\r\n")
    error = await side.error()
    assert error.why is why
    assert alert in err
    assert side.talks == [], "nothing was read of it"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], Why.OLD_VERSION),
        (["-tls1_2", "-cipher", "AES256-GCM-SHA384"], Why.NOTHING_IN_COMMON),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"], Why.NOTHING_IN_COMMON),
        (["-alpn", "imap"], Why.NOTHING_IN_COMMON),
    ],
    ids=["1.1", "no forward secrecy", "CBC", "no protocol in common"],
)
async def test_what_is_weak_or_not_spoken_here_is_refused(
    side: Side, pair: Pair, root: Pair, more: list[str], why: Why
) -> None:
    context = serving(pair, "h2")
    if "-alpn" in more:
        # Python's ssl goes on without a protocol where there is none in common (RFC 7301 would have it refuse).
        await side.serve(context)
        await client_of(side, root, *more)
        assert side.talks[0].tls.alpn is None
        return
    await side.serve(context)
    _, err = await client_of(side, root, *more)
    assert "alert" in err
    assert (await side.error()).why is why


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", Why.NOT_TLS),
        (b"\x00" * 600, Why.NOT_TLS),
        (b"\x16\x03\x01\xff\xff" + b"a" * 100, Why.NOT_TLS),
        (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", Why.NOT_TLS),
    ],
    ids=["HTTP", "zeros", "too long a record", "not a ClientHello"],
)
async def test_what_is_not_tls_is_closed_with_the_reason(side: Side, pair: Pair, said: bytes, why: Why) -> None:
    await side.serve(serving(pair))
    peer = Peer(socket.create_connection(("127.0.0.1", side.port)))
    await peer.send(said)
    with suppress(Short):
        await peer.rest()
    error = await side.error()
    assert error.why is why, error
    peer.close()


async def test_a_handshake_has_a_limit_in_time(side: Side, pair: Pair) -> None:
    await side.serve(serving(pair))
    peer = Peer(socket.create_connection(("127.0.0.1", side.port)))
    await peer.send(b"\x16\x03\x01")
    await asyncio.sleep(0)
    await until(lambda: side.wheel._slots)
    await side.pass_time(side.limit)
    assert (await side.error()).why is Why.TIMED_OUT
    await peer.closed()
    peer.close()


async def test_a_handshake_has_a_limit_in_size(side: Side, pair: Pair) -> None:
    await side.serve(serving(pair))
    peer = Peer(socket.create_connection(("127.0.0.1", side.port)))
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + b"a" * (16 * 1024 - 4)
    with pytest.raises(ConnectionError):
        await peer.pour(record)
    assert (await side.error()).why in (Why.BROKEN, Why.NOT_TLS)
    peer.close()


async def test_who_leaves_in_the_handshake_is_forgotten(side: Side, pair: Pair) -> None:
    await side.serve(serving(pair))
    socket.create_connection(("127.0.0.1", side.port)).close()
    assert (await side.error()).why is Why.CLOSED


def test_many_handshakes_leave_turns_to_others() -> None:
    turns: list[Callable[[], None]] = []
    taken: list[int] = []

    class One:
        def __init__(self, number: int) -> None:
            self.number = number

        def step(self) -> None:
            taken.append(self.number)

    handshakes = Handshakes(turns.append)
    for number in range(10):
        handshakes.ask(One(number))
    seen = []
    while turns:
        turns.pop()()
        seen.append(len(taken))
    assert seen == [4, 8, 10]
    assert taken == list(range(10))


async def test_who_is_not_the_right_one_is_told_nothing(side: Side, pair: Pair, root: Pair) -> None:
    side.refuses = TlsError(Why.WRONG_IDENTITY, "somebody else")
    await side.serve(serving(pair))
    await client_of(side, root, said=b"hello")
    assert (await side.error()).why is Why.WRONG_IDENTITY
    assert side.talks == []


# --- as a client -------------------------------------------------------------------------------------------------


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


# --- both ----------------------------------------------------------------------------------------------------------


async def both(side: Side, pair: Pair, root: Pair) -> tuple[Talk, Talk]:
    """A client's side and a server's, of one connection."""
    side.answers = False
    await side.serve(serving(pair))
    await side.call(calling(root), side.port)
    await until(lambda: len(side.talks) == 2)
    caller = next(talk for talk in side.talks if not talk.tls._session.server_side)
    called = next(talk for talk in side.talks if talk.tls._session.server_side)
    return caller, called


@pytest.mark.parametrize("turned", [False, True])
async def test_one_side_can_end_and_go_on_reading(side: Side, pair: Pair, root: Pair, turned: bool) -> None:
    first, second = await both(side, pair, root)
    if turned:
        first, second = second, first
    first.tls.write(b"last words")
    first.tls.write_eof()
    second.tls.write(b"crossing")
    await until(lambda: second.ended)
    assert second.got == b"last words"
    second.tls.write(BIG)
    await until(lambda: len(first.got) == len(BIG) + 8)
    assert not first.ended
    second.tls.write_eof()
    await until(lambda: first.ended)
    assert not first.lost
    first.tls.close()
    second.tls.close()
    await until(lambda: first.lost and second.lost)
    assert (first.error, second.error) == (None, None)


async def test_an_end_without_close_notify_is_no_end(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    caller.tls.write(b"cut off")
    await until(lambda: called.got)
    caller.tls._raw.close()
    await until(lambda: called.lost)
    assert not called.ended
    assert isinstance(called.error, TlsError)
    assert called.error.why is Why.CLOSED


async def test_who_does_not_read_holds_the_writer_back(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    called.tls.pause_reading()
    caller.tls.set_write_buffer_limits(high=64 * 1024)
    sent = 0
    while not caller.blocked:
        caller.tls.write(BIG[: 64 * 1024])
        sent += 64 * 1024
        await asyncio.sleep(0)
    assert caller.tls.get_write_buffer_size() > 64 * 1024
    got = len(called.got)
    await asyncio.sleep(0.01)
    assert len(called.got) == got
    called.tls.resume_reading()
    await until(lambda: len(called.got) == sent)
    await until(lambda: not caller.blocked)


async def test_what_one_turn_writes_is_one_record(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    written: list[bytes] = []
    real = caller.tls._raw

    class Spy:
        def write(self, data: bytes) -> None:
            written.append(data)
            real.write(data)

    caller.tls._raw = cast("asyncio.Transport", Spy())
    for _ in range(20):
        caller.tls.write(b"0123456789")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.tls._raw = real
    await until(lambda: len(called.got) == 200)
    assert len(written) == 1
    assert len(written[0]) < 200 + 64


async def test_garbage_in_the_middle_ends_the_connection(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    caller.tls._raw.write(b"\x17\x03\x03\x00\x20" + b"g" * 32)
    await until(lambda: called.lost)
    assert isinstance(called.error, TlsError)
    await until(lambda: caller.lost)
    assert isinstance(caller.error, TlsError)
    assert "alert" in caller.error.detail


async def test_an_abort_is_seen_by_the_other_side(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    caller.tls.abort()
    await until(lambda: called.lost)
    assert called.error is not None


async def test_bytes_that_were_read_before_are_not_lost(side: Side, pair: Pair, root: Pair) -> None:
    """Who looks at the first bytes gives them back with the connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    context = calling(root)
    dialled = side.loop.create_task(
        asyncio.open_connection("127.0.0.1", listening.getsockname()[1], ssl=context, server_hostname="a.test")
    )
    listening.setblocking(False)
    accepted, _ = await side.loop.sock_accept(listening)
    accepted.setblocking(False)
    early = await side.loop.sock_recv(accepted, 100)
    await join(
        side.loop,
        lambda: TlsTransport(serving(pair), side, side, server_side=True, limit=5.0, early=early),
        accepted,
    )
    reader, writer = await dialled
    writer.write(b"hello")
    assert await within(reader.readexactly(5)) == b"hello"
    writer.close()
    listening.close()


async def test_a_connection_that_is_over_leaves_no_cycle(side: Side, pair: Pair, root: Pair) -> None:
    caller, called = await both(side, pair, root)
    caller.tls.write(b"hello")
    await until(lambda: side.talks[0].got or side.talks[1].got)
    caller.tls.close()
    await until(lambda: side.talks[0].lost and side.talks[1].lost)
    left = (weakref.ref(caller), weakref.ref(called))
    del caller, called
    gc.disable()
    try:
        side.talks.clear()
        await until(lambda: left[0]() is None and left[1]() is None, "nothing holds them")
    finally:
        gc.enable()


def test_a_key_never_gets_a_name_in_a_folder(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    serving(pair)
    assert not list(tmp_path.iterdir())
    if sys.platform != "linux":
        return
    with pytest.raises(ssl.SSLError):
        load_pair(context_for(ssl.Purpose.CLIENT_AUTH), pair.pem, b"nothing of the kind")
