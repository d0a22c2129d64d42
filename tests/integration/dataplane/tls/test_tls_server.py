"""TLS as a server: openssl and the standard library as its clients, and bytes that are not TLS."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import pytest

from minimesh.dataplane.tls.contexts import choose_by_name
from minimesh.dataplane.tls.failure import TlsError, Why
from minimesh.dataplane.tls.handshakes import Handshakes
from tests.certificates import Certificates, Pair
from tests.integration.dataplane.stage import until
from tests.integration.dataplane.tls.tlsstage import BIG, Side, calling, client_of, serving
from tests.integration.dataplane.wire import Peer, Short, within

pytestmark = pytest.mark.anyio


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
