"""Looking sockets up: sock_diag and the kernel's table tell the same of sockets of our own."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from minimesh.model.address import Address
from minimesh.supervise import sockets
from minimesh.supervise.sockets import ESTABLISHED, LISTEN, Socket, callers, listening, owners
from minimesh.supervise.tenant import answering

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on Linux")


@pytest.fixture(params=["sock_diag", "table"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "table":

        def refuse(*_: object, **__: object) -> list[Socket]:
            raise OSError

        monkeypatch.setattr(sockets, "_ask", refuse)


@pytest.fixture(params=["127.0.0.1", "::1", "0.0.0.0", "::"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family, dualstack_ipv6=request.param == "::") as made:
        yield made


def inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


@pytest.mark.usefixtures("_way")
def test_who_listens(server: socket.socket) -> None:
    host, port = server.getsockname()[:2]
    (found,) = listening(port)
    nobody = Address("::" if ":" in host else "0.0.0.0", 0)
    assert found == Socket(Address(host, port), nobody, inode(server), os.getuid())
    assert found in listening()


@pytest.mark.usefixtures("_way")
def test_who_calls(server: socket.socket) -> None:
    """The callers' sockets, not those that the server got; over IPv4 to a socket for both kinds, too."""
    port = server.getsockname()[1]
    hosts = {"127.0.0.1": ["127.0.0.1"], "0.0.0.0": ["127.0.0.1"], "::1": ["::1"], "::": ["::1", "127.0.0.1"]}
    with ExitStack() as stack:
        made = []
        for host in hosts[server.getsockname()[0]]:
            made.append(stack.enter_context(socket.create_connection((host, port))))
            stack.enter_context(server.accept()[0])
        assert {one.inode for one in callers([port])} == {inode(sock) for sock in made}
        assert {one.remote.port for one in callers([port])} == {port}
        assert {one.local.port for one in callers([port])} == {sock.getsockname()[1] for sock in made}
        assert callers([]) == []


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("others", [0, 1, 5, 255, 256, 700])
def test_one_port_of_many_is_told_from_the_others(others: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        made = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        ports = [each for each in range(1, others + 1) if each != port]
        # The machine may have calls of its own to the others.
        assert inode(made) in {one.inode for one in callers([*ports, port])}
        assert inode(made) in {one.inode for one in callers([port, *ports])}
        assert inode(made) not in {one.inode for one in callers(ports)}


def test_whose_sockets_they_are(server: socket.socket) -> None:
    assert owners([inode(server), 1], [os.getpid()]) == {inode(server): os.getpid()}
    assert owners([inode(server)], [os.getppid()]) == {}
    assert owners([inode(server)], []) == {}


def test_a_pid_that_is_gone_has_none() -> None:
    assert owners([1], [2**22 + 1]) == {}


@pytest.mark.parametrize("way", [sockets._ask, sockets._table])
def test_both_ways_work_here(way: Callable[[int], object]) -> None:
    assert way(LISTEN) is not None
    assert way(ESTABLISHED) is not None


@pytest.mark.parametrize(
    ("hosts", "target", "chosen"),
    [
        (["127.0.0.1", "0.0.0.0"], "127.0.0.1", "127.0.0.1"),
        (["::", "0.0.0.0"], "127.0.0.1", "0.0.0.0"),
        (["::"], "127.0.0.1", "::"),
        (["::1", "::"], "::1", "::1"),
        (["0.0.0.0"], "::1", None),
        (["192.168.0.7"], "127.0.0.1", None),
        ([], "127.0.0.1", None),
    ],
)
def test_the_most_exact_socket_answers(hosts: list[str], target: str, chosen: str | None) -> None:
    found = [Socket(Address(host, 80), Address("0.0.0.0", 0), number) for number, host in enumerate(hosts)]
    answers = answering(found, Address(target, 80))
    assert [one.local.host for one in answers] == ([chosen] if chosen else [])
