"""Projects into snapshots: a table of what becomes of what."""

from pathlib import Path

import pytest

from minimesh.control.attesting import in_force
from minimesh.control.compile import (
    address_endpoint,
    compile_snapshot,
    replica_endpoint,
    service_names,
    with_endpoints,
    without_gateway,
)
from minimesh.control.layout import Layout, listening_replicas, pairs
from minimesh.model.address import Address, Dialable, UnixAddress
from minimesh.model.attest import Attest
from minimesh.model.identity import Identity
from minimesh.model.project import Gateway, Limits, Project, TcpPort
from minimesh.model.route import Route
from minimesh.model.service import Command, Condition, Dependency, Process, Protocol, Service, Task, Timeouts
from minimesh.model.snapshot import Listener, ListenerKind, Upstream
from minimesh.model.template import literal

RUN = Process(Command((literal("true"),), shell=False), Path("/shop"))
AT = Address("127.0.0.1", 20_000)


def project(*services: Service, tasks: tuple[Task, ...] = (), gateway: Gateway | None = None) -> Project:
    return Project(
        name="shop",
        trust_domain="shop.mesh",
        root=Path("/shop"),
        file=Path("/shop/minimesh.toml"),
        gateway=gateway,
        services={service.name: service for service in services},
        tasks={task.name: task for task in tasks},
    )


def needs(*names: str) -> tuple[Dependency, ...]:
    return tuple(Dependency(name, Condition.READY) for name in names)


ORDERS = Service("orders", RUN, timeouts=Timeouts(request=2.0))
WORKER = Service("worker", RUN, has_port=False, calls=("orders",))
PARTNER = Service("partner", addresses=(Address("10.0.0.1", 80),), calls=("orders",))
SEED = Task("seed", RUN, calls=("orders",))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (project(ORDERS), ()),
        (project(Service("web", RUN, depends_on=needs("orders")), ORDERS), (("web", "orders"),)),
        (
            project(Service("web", RUN, depends_on=needs("orders"), calls=("orders", "partner")), ORDERS, PARTNER),
            (("web", "orders"), ("web", "partner")),
        ),
        (project(ORDERS, PARTNER), ()),
        (project(ORDERS, WORKER, Service("web", RUN, calls=("worker",))), (("worker", "orders"),)),
        (project(ORDERS, tasks=(SEED,)), (("seed", "orders"),)),
        (project(Service("web", RUN, depends_on=needs("seed")), tasks=(SEED,)), ()),
    ],
    ids=["nobody", "needs", "each-once", "elsewhere-calls-nobody", "worker-takes-none", "task", "task-takes-none"],
)
def test_pairs(given: Project, expected: tuple[tuple[str, str], ...]) -> None:
    assert pairs(given) == expected


def test_only_programs_with_a_port_listen() -> None:
    given = project(Service("web", RUN, replicas=2), WORKER, PARTNER)
    assert listening_replicas(given) == (("web", 1), ("web", 2))


def test_an_outbound_listener_is_its_callers_way_to_one_callee() -> None:
    web = Service("web", RUN, calls=("orders",))
    snapshot = compile_snapshot(project(web, ORDERS), Layout(outbound={("web", "orders"): AT}), {}, 3)
    assert snapshot.generation == 3
    assert snapshot.listeners == {
        "web->orders": Listener(
            ListenerKind.OUTBOUND,
            AT,
            Identity("shop.mesh", "web"),
            (Route(to="orders"),),
            attest=in_force(Attest.OBSERVE),
        )
    }


def test_the_gateway_has_the_routes_and_limits_of_the_file() -> None:
    gateway = Gateway(routes=(Route(to="orders"),), limits=Limits(fields=3))
    snapshot = compile_snapshot(project(ORDERS, gateway=gateway), Layout(gateway=AT), {}, 1)
    names = (Route("orders", host="orders.shop.localhost"),)
    source = Identity("shop.mesh", "gateway")
    assert snapshot.listeners == {
        "gateway": Listener(
            ListenerKind.GATEWAY, AT, source, gateway.routes, gateway.limits, names, domain="shop.localhost"
        )
    }


@pytest.mark.parametrize(
    ("host", "routes", "expected"),
    [
        ("127.0.0.1", (), {"orders", "partner"}),
        ("::1", (), {"orders", "partner"}),
        ("0.0.0.0", (), set()),
        ("10.0.0.1", (), set()),
        ("shop.test", (), set()),
        ("127.0.0.1", (Route("partner", host="orders.shop.localhost"),), {"partner"}),
        ("127.0.0.1", (Route("partner", host="*.shop.localhost"),), {"orders", "partner"}),
    ],
)
def test_services_have_names_where_only_this_machine_can_say_them(
    host: str, routes: tuple[Route, ...], expected: set[str]
) -> None:
    given = project(ORDERS, WORKER, PARTNER, gateway=Gateway(routes=routes))
    found = service_names(given, Layout(gateway=Address(host, 7080)))
    assert set(found) == expected
    assert all(route.host == f"{name}.shop.localhost" for name, route in found.items())


def test_upstreams_are_there_before_their_endpoints_are_ready() -> None:
    given = project(ORDERS, WORKER, PARTNER)
    endpoints = {
        "orders": [replica_endpoint("orders", 2, 21_000)],
        "partner": [address_endpoint(Address("10.0.0.1", 80))],
    }
    layout = Layout(outbound={("worker", "orders"): AT})
    before = compile_snapshot(given, layout, {}, 1)
    after = compile_snapshot(given, layout, endpoints, 2)
    assert set(before.upstreams) == {"orders", "partner"}
    assert before.upstreams["orders"] == Upstream(Identity("shop.mesh", "orders"), (), Timeouts(request=2.0))
    (endpoint,) = after.upstreams["orders"].endpoints
    assert endpoint.name == "orders-2"
    assert endpoint.addresses == (Address("127.0.0.1", 21_000), Address("::1", 21_000))
    assert after.upstreams["partner"].endpoints[0].name == "10.0.0.1:80"


def test_the_next_generation_shares_what_did_not_change() -> None:
    first = compile_snapshot(project(ORDERS, PARTNER), Layout(), {}, 1)
    endpoint = replica_endpoint("orders", 1, 21_000)
    second = with_endpoints(first, {"orders": [endpoint]})
    assert second.generation == 2
    assert second.upstreams["orders"].endpoints == (endpoint,)
    assert second.upstreams["orders"].timeouts == Timeouts(request=2.0)
    assert second.upstreams["partner"] is first.upstreams["partner"]
    assert second.listeners is first.listeners
    assert first.upstreams["orders"].endpoints == ()


def test_on_the_way_down_nothing_comes_in_but_services_may_still_call() -> None:
    given = project(ORDERS, WORKER, gateway=Gateway(routes=(Route(to="orders"),)))
    before = compile_snapshot(given, Layout(gateway=AT, outbound={("worker", "orders"): AT}), {}, 1)
    after = without_gateway(before)
    assert set(before.listeners) == {"gateway", "worker->orders"}
    assert set(after.listeners) == {"worker->orders"}
    assert (after.generation, after.upstreams) == (2, before.upstreams)


@pytest.mark.parametrize(
    ("addresses", "host"),
    [
        ((Address("10.0.0.1", 80),), b""),
        ((Address("::1", 8080),), b""),
        ((Address("pay.test", 80),), b"pay.test"),
        ((Address("pay.test", 8080),), b"pay.test:8080"),
        ((Address("10.0.0.1", 80), Address("pay.test", 80)), b"pay.test"),
        ((UnixAddress("/run/pay.sock"),), b"pay"),
        ((Address("10.0.0.1", 80), UnixAddress("/run/pay.sock")), b"pay"),
    ],
)
def test_a_service_with_a_name_of_its_own_is_asked_by_it(addresses: tuple[Dialable, ...], host: bytes) -> None:
    snapshot = compile_snapshot(project(Service("pay", addresses=addresses)), Layout(), {}, 1)
    assert snapshot.upstreams["pay"].host == host


def test_datagrams_have_listeners_of_their_own() -> None:
    dns = Service("dns", RUN, protocol=Protocol.UDP)
    layout = Layout(AT, {("web", "dns"): Address("127.0.0.1", 1)})
    snapshot = compile_snapshot(project(Service("web", RUN, calls=("dns",)), dns, gateway=Gateway()), layout, {}, 1)
    listener = snapshot.listeners["web->dns"]
    assert (listener.opaque, listener.datagrams) == (True, True)
    assert "dns" not in {route.to for route in snapshot.listeners["gateway"].names}


def test_bytes_have_listeners_of_their_own_and_names_share_a_port() -> None:
    db = Service("db", RUN, protocol=Protocol.TCP)
    at, other = Address("127.0.0.1", 15_443), Address("127.0.0.1", 15_432)
    gateway = Gateway(tcp=(TcpPort(at, "db", "db.test"), TcpPort(other, "db"), TcpPort(at, "orders", "*.test")))
    shop = project(Service("web", RUN, calls=("db", "orders")), db, ORDERS, gateway=gateway)
    layout = Layout(AT, {("web", "db"): Address("127.0.0.1", 1), ("web", "orders"): Address("127.0.0.1", 2)})
    listeners = compile_snapshot(shop, layout, {}, 1).listeners
    assert {name: each.opaque for name, each in listeners.items()} == {
        "gateway": False,
        "gateway:15443": True,
        "gateway:15432": True,
        "web->db": True,
        "web->orders": False,
    }
    assert [(route.to, route.host) for route in listeners["gateway:15443"].routes] == [
        ("db", "db.test"),
        ("orders", "*.test"),
    ]
    assert {route.to for route in listeners["gateway"].names} == {"web", "orders"}
