"""A live view shows what a person can read, and counts the rest."""

import asyncio
from types import SimpleNamespace
from typing import cast

import anyio

from minimesh.control import live
from minimesh.control.feed import PER_SECOND
from minimesh.control.mesh import Mesh
from minimesh.model.caller import Caller
from minimesh.model.identity import Identity
from minimesh.telemetry.ring import Ring

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
CALLER = Caller(Identity("shop.mesh", "web"))


def raw_record(number: int) -> tuple[object, ...]:
    return (
        TRACEPARENT, "", 1.0, 0.1, 0.1, "web", "orders", "/*", "web->orders", "orders-1", b"GET", b"orders",
        b"/%d" % number, 200, "", "", "", 0, 5, 1, "127.0.0.1:5", "HTTP/1.1", -1, 0, 0, CALLER,
    )  # fmt: skip


def watched(ring: Ring, count: int, most: int | None) -> list[dict[str, object]]:
    """What a tap shows of so many exchanges that finish at once, until the mesh ends."""

    async def scenario() -> list[dict[str, object]]:
        ended = anyio.Event()
        mesh = cast("Mesh", SimpleNamespace(telemetry=SimpleNamespace(ring=ring), ended=ended))

        async def read() -> list[dict[str, object]]:
            return [dict(view) async for view in live.tap(mesh, live.TapFilter(), most)]

        reader = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        for number in range(count):
            ring.append(raw_record(number))
        ended.set()
        return await asyncio.wait_for(reader, 5)

    return asyncio.run(scenario())


def test_a_flood_is_shown_in_part_and_counted_in_whole() -> None:
    views = watched(Ring(0.0), 5_000, None)
    allowed = int(PER_SECOND * live.TAP_EVERY)
    assert [view.get("path") for view in views[:-1]] == [f"/{number}" for number in range(allowed)]
    assert views[-1] == {"dropped": 5_000 - allowed}


def test_what_the_ring_lost_is_counted_too() -> None:
    views = watched(Ring(0.0, size=10), 50, None)
    assert len(views) == 11
    assert views[-1] == {"dropped": 40}


def test_it_ends_after_as_many_as_were_asked_for() -> None:
    assert [view["path"] for view in watched(Ring(0.0), 50, 3)] == ["/0", "/1", "/2"]
