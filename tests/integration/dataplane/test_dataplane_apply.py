"""A snapshot over another: what is left alone, and addresses that change hands among our own listeners."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from minimesh.dataplane import ListenError, listener
from minimesh.dataplane.plan import BoundRoute
from minimesh.model.address import Address
from minimesh.model.identity import Identity
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind, Snapshot, Upstream
from tests.integration.dataplane.stage import FASTEST, GATEWAY, OUTBOUND, TRUST_DOMAIN, Stage

pytestmark = [pytest.mark.anyio, FASTEST]

HOST = "127.0.0.1"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that routers are built for from now on."""
    names: list[str] = []

    def bound(route: Route, *rest: object) -> BoundRoute:
        names.append(route.to)
        return BoundRoute(route, *rest)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(listener, "BoundRoute", bound)
    return names


def gateway(address: Address) -> Listener:
    return Listener(ListenerKind.GATEWAY, address, Identity(TRUST_DOMAIN, "gateway"), (Route("api"),))


def outbound(address: Address) -> Listener:
    return Listener(ListenerKind.OUTBOUND, address, Identity(TRUST_DOMAIN, "web"), (Route("api"),))


def snapshot(**listeners: Listener) -> Snapshot:
    names = {"gateway": GATEWAY, "web": OUTBOUND}
    return Snapshot(1, listeners={names[key]: each for key, each in listeners.items()}, upstreams={"api": UPSTREAM})


UPSTREAM = Upstream(Identity(TRUST_DOMAIN, "api"))


async def test_an_endpoint_more_or_less_is_no_matter_of_routes(stage: Stage, built: list[str]) -> None:
    now = stage.snapshot
    (api,) = now.upstreams.values()
    more = replace(api, endpoints=(*api.endpoints, Endpoint("api-9", (Address(HOST, 9),))))
    stage.plane.apply(replace(now, generation=2, upstreams={"api": more}))
    assert built == []
    stage.plane.apply(replace(now, generation=3, upstreams={"api": replace(more, timeouts=Timeouts(request=9.0))}))
    assert built == ["api", "api"], "both listeners lead there, and a route holds its service's timeout"
    assert stage.plane.statistics().generation == 3


async def test_only_the_listener_that_differs_is_touched(stage: Stage, built: list[str]) -> None:
    now = stage.snapshot
    way_in = replace(now.listeners[GATEWAY], routes=(Route("api", host="a.test"), Route("api")))
    stage.plane.apply(replace(now, generation=2, listeners={**now.listeners, GATEWAY: way_in}))
    assert built == ["api", "api"]


def free() -> Address:
    with socket.create_server((HOST, 0)) as server:
        return Address(*server.getsockname())


@contextmanager
def taken() -> Iterator[Address]:
    with socket.create_server((HOST, 0)) as server:
        yield Address(*server.getsockname())


async def accepts(address: Address) -> bool:
    try:
        _, writer = await asyncio.open_connection(address.host, address.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_two_listeners_swap_their_addresses(bare: Stage) -> None:
    one, two = free(), free()
    bare.plane.apply(snapshot(gateway=gateway(one), web=outbound(two)))
    bare.plane.apply(snapshot(gateway=gateway(two), web=outbound(one)))
    assert bare.plane.address(GATEWAY) == (two.host, two.port)
    assert await accepts(one)
    assert await accepts(two)


async def test_the_same_port_on_all_addresses(bare: Stage) -> None:
    address = free()
    bare.plane.apply(snapshot(gateway=gateway(address)))
    bare.plane.apply(snapshot(gateway=gateway(Address("0.0.0.0", address.port))))
    assert await accepts(address)


async def test_what_cannot_be_had_leaves_everything_where_it_was(bare: Stage, built: list[str]) -> None:
    one, two = free(), free()
    bare.plane.apply(snapshot(gateway=gateway(one)))
    built.clear()
    with taken() as theirs:
        for refused in (
            snapshot(gateway=gateway(theirs)),
            snapshot(gateway=gateway(two), web=outbound(theirs)),
            snapshot(web=outbound(one), gateway=gateway(theirs)),
        ):
            with pytest.raises(ListenError) as error:
                bare.plane.apply(refused)
            assert error.value.listener.address == theirs
            assert await accepts(one)
            assert not await accepts(two)
    assert built == []
    assert bare.plane.address(GATEWAY) == (one.host, one.port)
