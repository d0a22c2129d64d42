"""What both sides of TLS have in common: ends, pressure, records, early bytes, and what is left behind."""

import asyncio
import gc
import socket
import ssl
import sys
import weakref
from pathlib import Path
from typing import cast

import pytest

from minimesh.dataplane.connecting import join
from minimesh.dataplane.tls.contexts import context_for, load_pair
from minimesh.dataplane.tls.failure import TlsError, Why
from minimesh.dataplane.tls.transport import TlsTransport
from tests.certificates import Pair
from tests.integration.dataplane.stage import until
from tests.integration.dataplane.tls.tlsstage import BIG, Side, Talk, calling, serving
from tests.integration.dataplane.wire import within

pytestmark = pytest.mark.anyio


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
