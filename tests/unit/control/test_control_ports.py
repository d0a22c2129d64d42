"""Ports: the same again, outside of the kernel's range, and who is in the way."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.control.holders import holder_of
from minimesh.control.paths import StateFolder
from minimesh.control.ports import (
    USUAL_EPHEMERAL,
    NoPortError,
    PortBook,
    ephemeral_range,
    is_free,
    is_free_for_datagrams,
    load_ports,
    save_ports,
)
from minimesh.supervise.runfile import Run, write_run


def book(known: dict[str, int] | None = None, taken: set[int] | None = None, seed: str = "/shop") -> PortBook:
    return PortBook(seed, known or {}, USUAL_EPHEMERAL, lambda port: port not in (taken or set()))


@given(st.text(), st.lists(st.text(), unique=True, max_size=50))
def test_chosen_ports_differ_and_lie_outside_of_the_ephemeral_range(seed: str, purposes: list[str]) -> None:
    ports = [book_.choose(purpose) for book_ in [book(seed=seed)] for purpose in purposes]
    assert len(set(ports)) == len(ports)
    assert all(10_000 <= port <= 65_535 and not 32_768 <= port <= 60_999 for port in ports)


def test_the_same_port_at_every_start() -> None:
    first = book()
    wanted = {purpose: first.choose(purpose) for purpose in ("gateway", "web->orders", "orders/1")}
    again = book(dict(first.known))
    assert {purpose: again.choose(purpose) for purpose in reversed(wanted)} == wanted


def test_the_same_port_even_without_memory() -> None:
    assert book().choose("web->orders") == book().choose("web->orders")
    assert book().choose("web->orders") != book(seed="/other").choose("web->orders")


def test_a_port_that_somebody_took_is_left_to_them() -> None:
    before = book().choose("web->orders")
    assert book({"web->orders": before}, {before}).choose("web->orders") != before


def test_a_wish_comes_first_but_is_only_a_wish() -> None:
    assert book().choose("gateway", wish=7080) == 7080
    assert book(taken={7080}).choose("gateway", wish=7080) != 7080


def test_a_written_port_is_never_chosen() -> None:
    wanted = book().choose("web->orders")
    reserved = book()
    reserved.reserve(wanted)
    assert reserved.choose("web->orders") != wanted


def test_the_ports_of_datagrams_are_others() -> None:
    with ExitStack() as stack:
        port = 0
        while not port or not is_free(port):  # somebody else may have it for connections
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        assert not is_free_for_datagrams(port)
        assert book().choose("web->dns", wish=port) == port
        assert book().choose("web->dns", wish=port, is_free=is_free_for_datagrams) != port
    assert is_free_for_datagrams(port)


def test_no_port_left() -> None:
    nothing = PortBook("", {}, USUAL_EPHEMERAL, lambda _: False)
    with pytest.raises(NoPortError):
        nothing.choose("gateway")


@pytest.mark.parametrize(
    ("content", "ports"),
    [
        (None, {}),
        ("", {}),
        ("[]", {}),
        ("{", {}),
        ('{"a": 7080, "b": "x", "c": 0, "d": 70000}', {"a": 7080}),
    ],
)
def test_a_damaged_file_costs_only_the_old_choices(tmp_path: Path, content: str | None, ports: object) -> None:
    file = tmp_path / "ports.json"
    if content is not None:
        file.write_text(content)
    assert load_ports(file) == ports


def test_the_file_is_private_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    save_ports(file, {"gateway": 7080})
    assert load_ports(file) == {"gateway": 7080}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "range_"),
    [("1024\t2000\n", (1024, 2000)), ("junk", USUAL_EPHEMERAL), (None, USUAL_EPHEMERAL)],
)
def test_the_ephemeral_range(tmp_path: Path, content: str | None, range_: tuple[int, int]) -> None:
    file = tmp_path / "range"
    if content is not None:
        file.write_text(content)
    assert ephemeral_range(file) == range_


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_takes_its_port_and_is_named(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
        if Path("/proc/net/tcp").exists():
            holder = holder_of(port)
            assert holder is not None
            assert holder.pid == os.getpid()
            assert holder.age is not None
            assert 0 < holder.age < 86_400
            assert f", pid {holder.pid}, started " in str(holder)
            assert str(holder).endswith(" (not a minimesh process)")
    assert is_free(port)
    assert holder_of(port) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_holder_of_another_project_is_named_by_its_service(tmp_path: Path) -> None:
    project, service = tmp_path / "other-shop", tmp_path / "other-shop" / "payments"
    service.mkdir(parents=True)
    StateFolder(project).create()
    write_run(StateFolder(project).run, Run("a1b2", 1, 0.0))
    source = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", source],
        cwd=service,
        env={"MINIMESH_RUN": "a1b2", "MINIMESH_INSTANCE": "payments/1", "HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        holder = holder_of(int(process.stdout.readline()))
        assert holder is not None
        assert str(holder).endswith(f" in {service} (payments of the mesh in {project})")
        assert str(replace(holder, age=7_300.0, cwd="", mesh="")).endswith(
            f", pid {process.pid}, started 2 h ago (not a minimesh process)"
        )
        process.kill()


def test_thousands_of_ports_are_chosen_in_no_time() -> None:
    """Each look-up costs a few steps and not a walk over all ports."""
    looked_at: list[int] = []

    def counting(port: int) -> bool:
        looked_at.append(port)
        return True

    many = PortBook("/scale", {}, USUAL_EPHEMERAL, counting)
    for number in range(6_000):
        many.choose(f"service-{number}/1")
    assert len(looked_at) == 6_000
