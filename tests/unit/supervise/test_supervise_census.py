"""Where the replicas of a run listen: one look for all who ask."""

import os
import socket
import sys

import anyio
import pytest

from minimesh.model.address import Address
from minimesh.supervise import census
from minimesh.supervise.census import FRESH, Census, Held, Seen
from minimesh.supervise.kin import Kin
from minimesh.testing import VirtualClock

pytestmark = pytest.mark.anyio


async def test_a_look_serves_all_who_ask_within_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Kin] = []

    def count(kin: Kin) -> Seen:
        looks.append(kin)
        return Seen(taken=frozenset({len(looks)}))

    monkeypatch.setattr(census, "count", count)
    clock = VirtualClock()
    leaders = {41: "web/1"}
    asked = Census("run", lambda: leaders, clock)
    answers: list[Seen] = []

    async def ask() -> None:
        answers.append(await asked.look())

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    assert [answer.taken for answer in answers] == [{1}] * 100
    clock.advance(FRESH / 2)
    assert (await asked.look()).taken == {1}
    leaders[42] = "api/1"
    clock.advance(FRESH)
    assert (await asked.look()).taken == {2}
    assert looks == [Kin("run", {41: "web/1"}), Kin("run", {41: "web/1", 42: "api/1"})]


@pytest.mark.skipif(sys.platform != "linux", reason="sockets have owners on Linux")
async def test_a_replica_has_the_sockets_of_its_processes_in_the_order_of_their_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = sorted(each.getsockname()[1] for each in (one, other))
        seen = census.count(Kin("nobody's run", {os.getpid(): "web/1"}))
        assert seen.taken >= set(ports)
        assert list(seen.held) == ["web/1"]
        mine = [held for held in seen.held["web/1"] if held.local.port in ports]
        assert mine == [Held(Address("127.0.0.1", port), os.getpid()) for port in ports]
