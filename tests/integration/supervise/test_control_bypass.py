"""Who calls a replica on its real port, around the mesh."""

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from minimesh.control.bypass import Bypass, Bypasses
from minimesh.model.service import Probe, Ready
from tests.processes import free_port

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="sockets have owners on Linux")]
SERVER = """
    import socket, time
    server = socket.create_server(("127.0.0.1", {port}))
    own = socket.create_connection(("127.0.0.1", {port}))
    held = []
    while True:
        held.append(server.accept())
"""
CALLER = """
    import os, socket, time
    sock = socket.create_connection(("127.0.0.1", {port}))
    print("connected", flush=True)
    time.sleep(60)
"""


def address_of(service: str) -> str:
    return f"{service.upper()}_URL"


async def test_each_caller_is_told_of_once_and_by_name(stage: "Stage") -> None:
    port = free_port()
    told: list[Bypass] = []
    orders = stage.program("orders", SERVER.format(port=port), ready=Ready(Probe.TCP, every=0.05), port=port)
    web = stage.program("web", CALLER.format(port=port), "orders")
    async with stage.supervise(orders, web) as supervisor:
        await stage.until(lambda: stage.said("web"))
        bypasses = Bypasses(stage.run.run_id, supervisor.status, told.append, address_of)
        with socket.create_connection(("127.0.0.1", port)):  # this process is the mesh here
            await bypasses.look()
            await bypasses.look()
        pid = stage.of("web").pid
        assert [str(each) for each in told] == [
            f"web (pid {pid}) calls orders at {port} directly, around the mesh: use $ORDERS_URL"
        ]
        assert bypasses.known() == tuple(told)


async def test_a_stranger_is_named_by_its_program_and_the_mesh_calls_nobody_around_itself(stage: "Stage") -> None:
    port = free_port()
    told: list[Bypass] = []
    orders = stage.program("orders", SERVER.format(port=port), ready=Ready(Probe.TCP, every=0.05), port=port)
    # Started by another run: for this one it is a stranger.
    async with stage.supervise(orders, stage.program("web", CALLER.format(port=port), "orders")) as supervisor:
        await stage.until(lambda: stage.said("web"))
        bypasses = Bypasses("another run", lambda: [stage.of("orders")], told.append, address_of)
        await bypasses.look()
        (found,) = [each for each in told if each.pid == stage.of("web").pid]
        assert (found.service, found.port) == ("", port)
        assert str(found).endswith(f"(pid {found.pid}) calls orders at {port} directly, around the mesh")
        assert os.getpid() not in {each.pid for each in told}
        assert supervisor.status()


async def test_where_nothing_runs_nothing_is_looked_for(stage: "Stage") -> None:
    told: list[Bypass] = []
    bypasses = Bypasses(stage.run.run_id, list, told.append, address_of)
    await bypasses.look()
    assert bypasses.known() == ()
