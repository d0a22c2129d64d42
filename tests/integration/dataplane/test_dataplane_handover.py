"""What passes to the next image of the process: callers between two requests notice nothing."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from minimesh.dataplane import DataPlane, Open, OpenListener, OpenPool
from minimesh.model.address import Address
from minimesh.model.clock import SystemClock
from minimesh.telemetry import Telemetry
from tests.integration.dataplane.stage import EACH_CODEC, GATEWAY, Stage, until
from tests.integration.dataplane.wire import Short

pytestmark = [pytest.mark.anyio, EACH_CODEC]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def copied(given: Open) -> Open:
    """With descriptors of its own, as if the process had become another program: what the first one closes then says
    nothing to anybody."""
    return Open(
        tuple(
            OpenListener(
                each.name, os.dup(each.descriptor), tuple((os.dup(fd), early) for fd, early in each.connections)
            )
            for each in given.listeners
        ),
        tuple(OpenPool(each.service, each.endpoint, tuple(map(os.dup, each.connections))) for each in given.pools),
    )


@asynccontextmanager
async def next_image(stage: Stage) -> AsyncIterator[DataPlane]:
    """The plane that takes over from the stage's, whose every exchange is over or cut."""
    old = stage.plane
    snapshot = replace(
        stage.snapshot,
        listeners={
            name: replace(listener, address=Address(*old.address(name)))
            for name, listener in stage.snapshot.listeners.items()
        },
    )
    passed = copied(old.hand_over())
    old.close()
    new = DataPlane(stage.loop, SystemClock(), Telemetry(SystemClock()), codec=old.codec)
    await new.inherit(passed, snapshot)
    stage.plane = new
    yield new


async def test_a_kept_connection_goes_on_at_both_ends(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.request()
    await service.send(OK)
    await caller.answer()
    stage.plane.freeze()
    assert not stage.plane.busy(0.0)
    async with next_image(stage) as plane:
        await caller.send(GET)
        await service.request()
        await service.send(OK)
        assert (await caller.answer()).body == b"ok"
        assert await stage.service.silent(), "the connection to the service was kept too"
        assert plane.statistics().listeners[GATEWAY].connections == 1
        stage.telemetry = plane._around.telemetry


async def test_what_comes_meanwhile_waits(stage: Stage) -> None:
    """In the socket of a kept connection, half a head and a whole request behind one; and in the backlog."""
    half, piped, idle = [await stage.call() for _ in range(3)]
    await half.send(GET[:9])
    await piped.send(GET + GET)
    service = await stage.service.accept()
    await service.request()
    stage.plane.freeze()
    assert stage.plane.busy(0.0)
    await service.send(OK)
    assert (await piped.answer()).body == b"ok"
    await until(lambda: not stage.plane.busy(0.0))
    late = stage.call_now()
    late.send_now(GET)
    await idle.send(GET)
    assert await stage.service.silent(), "nothing begins while it is frozen"
    passed = {early for one in stage.plane.hand_over().listeners for _, early in one.connections}
    assert passed == {GET[:9], GET, b""}
    async with next_image(stage) as plane, stage.service.serving(OK, service):
        await half.send(GET[9:])
        for caller in (half, piped, idle, late):
            assert (await caller.answer()).body == b"ok"
        stage.telemetry = plane._around.telemetry


async def test_what_does_not_end_is_cut_and_counted(stage: Stage) -> None:
    streaming, service = await stage.conversation(GET)
    await service.request()
    await service.send(OK[:-1])
    await streaming.head()
    stage.plane.freeze()
    now = SystemClock().monotonic()
    assert stage.plane.busy(now - 10)
    assert not stage.plane.busy(now + 10), "what lasts longer than anybody waits is not waited for"
    assert stage.plane.cut_busy() == 1
    with pytest.raises(Short):
        await streaming.exactly(2)
    assert (await stage.record()).cut == "stopped"
    assert not stage.plane.busy(0.0)
    stage.plane.thaw()


async def test_a_thawed_plane_goes_on(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.request()
    stage.plane.freeze()
    stage.plane.freeze()
    await service.send(OK)
    await caller.answer()
    await caller.send(GET)
    stage.call_now()
    assert await stage.service.silent()
    assert stage.plane.statistics().listeners[GATEWAY].connections == 1
    stage.plane.thaw()
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"
    await until(lambda: stage.plane.statistics().listeners[GATEWAY].connections == 2)
