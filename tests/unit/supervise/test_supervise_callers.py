"""Whose process has the other end of a connection: with real sockets, and processes of every descent."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from minimesh.model.address import Address
from minimesh.model.attest import Ends, Found, Question
from minimesh.model.caller import Attested
from minimesh.supervise import sockets
from minimesh.supervise.callers import HIDDEN, LEFT, Callers
from minimesh.supervise.children import stat
from minimesh.supervise.lineage import Guest
from minimesh.supervise.sockets import exactly

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on Linux")

Start = Callable[..., subprocess.Popen[bytes]]
CALL = "import socket, sys; made = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"
THROUGH_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {call!r}, sys.argv[1]])"
IN_ANOTHER_SESSION = (
    "import os, subprocess, sys; subprocess.run([sys.executable, '-c', {call!r}, sys.argv[1]], start_new_session=True)"
)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


@pytest.fixture
def start(server: socket.socket) -> Iterator[Start]:
    """Starts a program in a session of its own that connects, until the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(code: str = CALL) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", code.format(call=CALL), str(server.getsockname()[1])]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True))
        return started[-1]

    yield begin
    for each in started:
        each.communicate(timeout=10)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mesh is another process than this one, which is not to be taken for the parent of what it starts."""
    monkeypatch.setattr(os, "getpid", lambda: -1)


def question(accepted: socket.socket, *among: str) -> Question:
    ends = Ends(Address(*accepted.getpeername()), Address(*accepted.getsockname()))
    return Question(ends, frozenset(among or ("web",)), "orders")


def look(
    accepted: socket.socket, leaders: dict[int, str], *among: str, guests: dict[int, Guest] | None = None
) -> Found:
    (found,) = Callers("run").look([question(accepted, *among)], leaders, guests or {})
    assert found is not None
    return found


@pytest.mark.parametrize("code", [CALL, THROUGH_A_CHILD, IN_ANOTHER_SESSION], ids=["itself", "child", "session"])
def test_what_a_service_started_is_its_own(server: socket.socket, start: Start, code: str) -> None:
    process = start(code)
    accepted, _ = server.accept()
    with accepted:
        found = look(accepted, {process.pid: "web/1"})
        assert (found.attested, found.service) == (Attested.YES, "web")
        assert look(accepted, {process.pid: "pay/1"}, "web", "pay").service == "pay"
        other = look(accepted, {process.pid: "pay/1"})
        assert (other.attested, other.service, other.other) == (Attested.NO, "", "pay")
        assert other.who == f"pay ({other.program}, pid {other.pid})"


@pytest.mark.usefixtures("elsewhere")
def test_a_stranger_is_named(server: socket.socket, start: Start) -> None:
    process = start()
    accepted, _ = server.accept()
    with accepted:
        found = look(accepted, {})
        assert (found.attested, found.service, found.pid) == (Attested.NO, "", process.pid)
        assert found.who == f"{found.program}, pid {process.pid}"


def test_a_variable_of_the_environment_makes_nobody_a_service(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """Of a stranger: its parent is not the mesh."""
    monkeypatch.setenv("MINIMESH_RUN", "run")
    monkeypatch.setenv("MINIMESH_INSTANCE", "web/1")
    start(THROUGH_A_CHILD)
    accepted, _ = server.accept()
    with accepted:
        me = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: -1)  # as if another process were the mesh
        found = look(accepted, {})
        assert found.attested is Attested.NO
        monkeypatch.setattr(os, "getpid", lambda: me)  # and as if it had been left behind by a service of ours
        assert look(accepted, {}).service == "web"


@pytest.mark.usefixtures("elsewhere")
def test_a_guest_is_vouched_for_with_what_it_starts(server: socket.socket, start: Start) -> None:
    process = start(THROUGH_A_CHILD)
    accepted, _ = server.accept()
    entry = stat(process.pid)
    assert entry is not None
    with accepted:
        found = look(accepted, {}, guests={process.pid: Guest("web", entry.start)})
        assert (found.attested, found.service) == (Attested.VOUCHED, "web")
        later = look(accepted, {}, guests={process.pid: Guest("web", entry.start - 1)})
        assert later.attested is Attested.NO, "another process had this pid"


def test_the_mesh_itself_may_call_as_anybody(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()), server.accept()[0] as accepted:
        assert look(accepted, {}) == Found(Attested.VOUCHED, "web", "the mesh itself", os.getpid())
        assert look(accepted, {}, "web", "pay").service == "", "which of them nobody can tell"


def test_who_has_left_is_no_stranger(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as made, server.accept()[0] as accepted:
        asked = question(accepted)
        made.close()
        assert Callers("run").look([asked], {}, {}) == [LEFT]


def test_whom_nobody_may_look_at_is_no_stranger_either(
    server: socket.socket, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else runs in this process: what it has started would be services of the mesh."""
    with socket.create_connection(server.getsockname()), server.accept()[0] as accepted:
        monkeypatch.setattr("minimesh.supervise.callers._opened", lambda *_: iter(()))
        assert look(accepted, {}) == HIDDEN
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert look(accepted, {}).attested is Attested.NO, "a process of another user is nobody's service"


def test_many_at_once_each_get_their_own_answer(server: socket.socket, start: Start) -> None:
    processes = [start() for _ in range(3)]
    accepted = [server.accept()[0] for _ in processes]
    leaders = {processes[0].pid: "web/1", processes[1].pid: "web/2"}
    callers = Callers("run")
    for thorough in (True, False):
        found = callers.look([question(each) for each in accepted], leaders, {}, thorough=thorough)
        assert sorted(each.pid for each in found if each and each.attested) == sorted(leaders)
        assert len(found) == 3
    for each in accepted:
        each.close()


def caller_end(stack: ExitStack, server: socket.socket) -> Address:
    accepted, (host, port) = server.accept()
    stack.enter_context(accepted)
    return Address(host, port)


@pytest.mark.parametrize("way", ["sock_diag", "table"])
@pytest.mark.parametrize("datagrams", [False, True])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_one_socket_with_these_ends(
    family: socket.AddressFamily, datagrams: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller on IPv6 that calls an address of IPv4 is found, too."""
    if way == "table":

        def refuse(*_: object) -> list[object]:
            raise OSError

        monkeypatch.setattr(sockets, "_ask_each", refuse)
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    with ExitStack() as stack, socket.socket(type=kind) as server, socket.socket(family, kind) as caller:
        server.bind(("127.0.0.1", 0))
        host, port = server.getsockname()
        if not datagrams:
            server.listen()
        caller.connect((host if family is socket.AF_INET else f"::ffff:{host}", port))
        if datagrams:
            caller.send(b"x")
            ends = Ends(Address(*server.recvfrom(1)[1]), Address(host, port), True)
        else:
            ends = Ends(caller_end(stack, server), Address(host, port))
        nobody = ends._replace(local=Address("127.0.0.1", 1))
        found, missing = exactly([ends, nobody])
        assert found is not None
        assert (found.inode, found.user) == (os.fstat(caller.fileno()).st_ino, os.getuid())
        assert missing is None
