"""Whose answer it is: a port that somebody else holds, and programs that listen where nobody calls them."""

import re
import socket
import sys
import textwrap
from typing import TYPE_CHECKING

import anyio
import pytest

from minimesh.model.service import Probe, Ready
from minimesh.supervise.status import State
from tests.processes import free_port

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="sockets have owners on Linux")]
TCP = Ready(Probe.TCP, every=0.05, within=20.0)
LISTEN = """
    import os, signal, socket, time
    def listen(host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family)
        print("at", sock.getsockname()[1], flush=True)
        time.sleep(60)
"""


async def test_an_answer_of_somebody_else_is_not_believed(stage: "Stage") -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        async with stage.supervise(
            stage.program("payments", ready=TCP, port=port), stage.program("web", stage.SLEEPER, "payments")
        ):
            await stage.until(lambda: "answers, but" in stage.of("payments").reason)
            status = stage.of("payments")
            assert status.state is State.STARTING
            assert re.fullmatch(rf"port {port} answers, but it is \S.*, pid \d+, not payments", status.reason), (
                status.reason
            )
            assert stage.of("web").reason == f"waiting for payments: not ready, {status.reason}"
            assert State.READY not in stage.states("payments")


OWN = {
    "ipv4": "listen('127.0.0.1', {port})",
    "any-ipv4": "listen('0.0.0.0', {port})",
    "ipv6": "listen('::1', {port})",
    "any": "listen('::', {port})",
    "wrapper": """
        if os.fork() == 0:
            listen('127.0.0.1', {port})
        os.wait()""",
    "daemon": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                listen('127.0.0.1', {port})
            os._exit(0)
        time.sleep(60)""",
    "bare environment": """
        import subprocess, sys
        code = 'import socket, time; s = socket.create_server(("127.0.0.1", {port})); time.sleep(60)'
        subprocess.run(["env", "-i", sys.executable, "-S", "-c", code], start_new_session=True)""",
}


@pytest.mark.parametrize("who", OWN.values(), ids=OWN)
async def test_its_own_answer_is_believed_whichever_of_its_processes_gives_it(stage: "Stage", who: str) -> None:
    port = free_port()
    source = textwrap.dedent(LISTEN) + textwrap.dedent(who.format(port=port))
    async with stage.supervise(stage.program("web", source, ready=TCP, port=port)):
        await stage.until(lambda: stage.of("web").state is State.READY)
        assert "answers, but" not in " ".join(status.reason for status in stage.told)


async def test_another_port_than_the_given_one_is_named(stage: "Stage") -> None:
    port = free_port()
    web = stage.program("web", LISTEN + "    listen('127.0.0.1', 0)", ready=TCP, port=port)
    async with stage.supervise(web):
        await stage.until(lambda: "listens on" in stage.of("web").reason)
        other = stage.said("web")[0].split()[1]
        assert stage.of("web").reason == (
            f"listens on {other} (pid {stage.of('web').pid}), not on $PORT {port}; write port = {other} or read $PORT"
        )


async def test_a_program_without_a_probe_is_found_elsewhere_too(stage: "Stage") -> None:
    port = free_port()
    async with stage.supervise(stage.program("web", LISTEN + "    listen('::1', 0)", port=port)):
        await stage.until(lambda: "listens on" in stage.of("web").reason)
        assert stage.of("web").state is State.RUNNING


async def test_a_foreign_interface_is_not_where_calls_go(stage: "Stage") -> None:
    port = free_port()
    web = stage.program("web", LISTEN + f"    listen('127.0.0.2', {port})", ready=TCP, port=port)
    async with stage.supervise(web):
        await stage.until(lambda: "listens on" in stage.of("web").reason)
        assert stage.of("web").reason == (
            f"listens on 127.0.0.2:{port} (pid {stage.of('web').pid}), where nobody calls it; listen on 127.0.0.1"
        )


async def test_whoever_listens_late_is_ready_then(stage: "Stage") -> None:
    port = free_port()
    source = (
        LISTEN
        + f"""
    other = socket.create_server(("127.0.0.1", 0))
    while not os.path.exists("go"): time.sleep(0.02)
    listen("127.0.0.1", {port})
    """
    )
    async with stage.supervise(stage.program("web", source, ready=TCP, port=port)):
        await stage.until(lambda: "not on $PORT" in stage.of("web").reason)
        await anyio.Path(stage.folder / "go").touch()
        await stage.until(lambda: stage.of("web").state is State.READY)
        assert stage.of("web").reason == ""
