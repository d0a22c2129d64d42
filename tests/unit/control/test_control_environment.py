"""What a child finds in its environment, and which source wins."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from minimesh.control.environment import environment, variable_name
from minimesh.control.layout import Layout
from minimesh.model.address import Address
from minimesh.model.project import Project
from minimesh.model.service import Command, Process, Protocol, Service
from minimesh.model.template import Reference, Template, literal

LAYOUT = Layout(
    outbound={
        ("web", "order-book"): Address("127.0.0.1", 20_001),
        ("admin", "order-book"): Address("127.0.0.1", 20_002),
    },
    replicas={("web", 1): 21_001, ("web", 2): 21_002, ("order-book", 1): 21_003},
)


def of_web(
    env: Mapping[str, Template] | None = None,
    argv: tuple[Template, ...] = (literal("web"),),
    replica: int = 1,
    protocol: Protocol | None = None,
    inherited: Mapping[str, str] | None = None,
    from_files: Mapping[str, str] | None = None,
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    process = Process(Command(argv, shell=False), Path("/shop"), env or {})
    web = Service("web", process, calls=("order-book",), replicas=2)
    orders = Service("order-book", process, protocol=protocol)
    project = Project(
        "shop",
        "shop.mesh",
        Path("/shop"),
        Path("/shop/minimesh.toml"),
        services={"web": web, "order-book": orders},
    )
    found = environment(project, LAYOUT, web, replica, inherited or {}, from_files or {})
    return found.whole, found.argv


def test_port_and_addresses_of_callees() -> None:
    whole, _ = of_web()
    assert whole == {"PORT": "21001", "ORDER_BOOK_URL": "http://127.0.0.1:20001", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
def test_a_service_of_bytes_has_no_url_but_host_and_port(protocol: Protocol) -> None:
    whole, argv = of_web(
        protocol=protocol,
        argv=tuple(
            Template((Reference("order-book", attribute),)) for attribute in ("url", "host", "port", "address", "addr")
        ),
    )
    assert {name: value for name, value in whole.items() if name.startswith("ORDER")} == {
        "ORDER_BOOK_ADDR": "127.0.0.1:20001",
        "ORDER_BOOK_HOST": "127.0.0.1",
        "ORDER_BOOK_PORT": "20001",
    }
    assert argv == (f"{protocol}://127.0.0.1:20001", "127.0.0.1", "20001", "127.0.0.1:20001", "127.0.0.1:20001")


def test_a_service_of_grpc_has_what_its_clients_ask_for_too() -> None:
    whole, _ = of_web(protocol=Protocol.GRPC)
    assert {name: value for name, value in whole.items() if name.startswith("ORDER")} == {
        "ORDER_BOOK_URL": "http://127.0.0.1:20001",
        "ORDER_BOOK_ADDR": "127.0.0.1:20001",
    }


def test_every_replica_has_its_own_port() -> None:
    assert of_web(replica=2)[0]["PORT"] == "21002"


@pytest.mark.parametrize(
    ("inherited", "from_files", "env", "port"),
    [
        ({"PORT": "1"}, {}, {}, "21001"),
        ({"PORT": "1"}, {"PORT": "2"}, {}, "21001"),
        ({"PORT": "1"}, {"PORT": "2"}, {"PORT": literal("3")}, "3"),
    ],
)
def test_who_wins(
    inherited: Mapping[str, str], from_files: Mapping[str, str], env: Mapping[str, Template], port: str
) -> None:
    assert of_web(env, inherited=inherited, from_files=from_files)[0]["PORT"] == port


def test_env_files_beat_what_is_inherited() -> None:
    whole, _ = of_web(inherited={"A": "1", "B": "1"}, from_files={"B": "2"})
    assert (whole["A"], whole["B"]) == ("1", "2")


@pytest.mark.parametrize(
    ("service", "attribute", "value"),
    [
        ("order-book", "url", "http://127.0.0.1:20001"),
        ("order-book", "host", "127.0.0.1"),
        ("order-book", "port", "20001"),
        ("order-book", "address", "127.0.0.1:20001"),
        ("self", "port", "21001"),
        ("web", "url", "http://127.0.0.1:21001"),
    ],
)
def test_references_are_what_the_caller_dials(service: str, attribute: str, value: str) -> None:
    template = Template(("<", Reference(service, attribute), ">"))
    whole, argv = of_web({"X": template}, (literal("run"), template))
    assert whole["X"] == f"<{value}>"
    assert argv == ("run", f"<{value}>")


def test_names_of_variables() -> None:
    assert variable_name("order-book") == "ORDER_BOOK"
