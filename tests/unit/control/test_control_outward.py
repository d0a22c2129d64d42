"""What programs are told of their forward proxy, and what that proxy leads to."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from minimesh.control.compile import compile_snapshot
from minimesh.control.layout import Layout, proxied
from minimesh.control.outward import NEVER, kept, proxy_variables
from minimesh.model.address import Address
from minimesh.model.egress import Egress, Intercept, Origination
from minimesh.model.project import Project
from minimesh.model.service import Command, Process, Protocol, Service, Task
from minimesh.model.snapshot import ListenerKind
from minimesh.model.template import literal
from minimesh.spec.egress import listed

PROXY = Address("127.0.0.1", 20_001)
OURS = "http://127.0.0.1:20001"
EACH = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}
NO = {"NO_PROXY", "no_proxy"}
RUN = Process(Command((literal("true"),), shell=False), Path("/shop"))
API = listed("api.test:443")


@pytest.mark.parametrize(
    ("given", "ours", "never"),
    [
        ({}, EACH, ""),
        ({"HTTP_PROXY": ""}, EACH, ""),
        ({"http_proxy": "http://corp:3128"}, {"HTTPS_PROXY", "https_proxy"}, ""),
        ({"HTTPS_PROXY": "http://corp:3128"}, {"HTTP_PROXY", "http_proxy"}, ""),
        ({"NO_PROXY": "a.test, .b.test"}, EACH, "a.test,.b.test"),
        ({"no_proxy": "a.test,localhost"}, EACH, "a.test,localhost"),
    ],
)
def test_what_is_set_is_kept(given: Mapping[str, str], ours: set[str], never: str) -> None:
    added = proxy_variables(PROXY, given)
    assert {name for name, value in added.items() if value == OURS} == ours
    assert set(added) == {*ours, *NO, "NODE_USE_ENV_PROXY"}
    said = added["NO_PROXY"].split(",")
    assert added["no_proxy"] == added["NO_PROXY"]
    assert said[: len(never.split(",")) if never else 0] == (never.split(",") if never else [])
    assert set(NEVER) <= set(said)
    assert len(said) == len(set(said))
    assert set(kept(PROXY, {**given, **added})) == {"HTTP_PROXY", "HTTPS_PROXY"} - ours


def test_nothing_is_added_where_all_is_set_or_there_is_no_proxy() -> None:
    both = {"http_proxy": "http://corp:3128", "HTTPS_PROXY": "http://corp:3128"}
    assert proxy_variables(PROXY, both) == {}
    assert kept(PROXY, both) == ("HTTP_PROXY", "HTTPS_PROXY")
    assert proxy_variables(None, {}) == {}
    assert kept(None, {}) == ()
    assert "NODE_USE_ENV_PROXY" not in proxy_variables(PROXY, {"NODE_USE_ENV_PROXY": "0"})


def shop(intercept: Intercept = Intercept.PROXY) -> Project:
    services = (
        Service("web", RUN, calls=("orders", "db", "pay"), egress=(API,)),
        Service("orders", RUN),
        Service("db", RUN, protocol=Protocol.TCP),
        Service("worker", RUN, has_port=False),
        Service("pay", addresses=(Address("pay.test", 443, tls=True),)),
    )
    return Project(
        name="shop",
        trust_domain="shop.mesh",
        root=Path("/shop"),
        file=Path("/shop/minimesh.toml"),
        egress=Egress.REGISTERED,
        intercept=intercept,
        services={service.name: service for service in services},
        tasks={"seed": Task("seed", RUN, egress=(API,))},
    )


def test_every_program_has_a_proxy_of_its_own_where_it_is_asked_for() -> None:
    assert proxied(shop()) == ("web", "orders", "db", "worker", "seed")
    assert proxied(shop(Intercept.ADDRESS)) == ()


def test_a_proxy_leads_to_the_services_that_its_caller_may_call_and_knows_all_others() -> None:
    pairs = {("web", callee): Address("127.0.0.1", 20_010 + n) for n, callee in enumerate(("orders", "db", "pay"))}
    layout = Layout(outbound=pairs, proxies=dict.fromkeys(proxied(shop()), PROXY), replicas={("orders", 1): 20_020})
    snapshot = compile_snapshot(shop(), layout, {}, 1)
    web = snapshot.listeners["web->egress"]
    assert web.kind is ListenerKind.PROXY
    assert [(route.to, route.host) for route in web.routes] == [
        ("orders", "orders"),
        ("orders", "orders.shop.localhost"),
        ("pay", "pay"),
        ("pay", "pay.shop.localhost"),
    ]
    assert web.proxy is not None
    assert (web.proxy.egress, web.proxy.listed) == (Egress.REGISTERED, (API,))
    inside = web.proxy.inside
    assert inside.ports == {20_001, 20_010, 20_011, 20_012, 20_020}
    assert inside.hosts["orders"] == inside.hosts["orders.shop.localhost"] == ""
    assert inside.hosts["db"] == "it speaks tcp, and is called at $DB_ADDR"
    assert inside.hosts["worker.shop.localhost"] == "it takes no calls"
    other = snapshot.listeners["seed->egress"].proxy
    assert other is not None
    assert other.inside is inside, "one for all"
    assert compile_snapshot(shop(), layout, {}, 2).listeners == snapshot.listeners


@pytest.mark.parametrize(
    ("addresses", "tls", "host", "name"),
    [
        ((Address("pay.test", 443, tls=True),), Origination(), b"pay.test", "pay.test"),
        ((Address("pay.test", 8443, tls=True),), Origination(), b"pay.test:8443", "pay.test"),
        ((Address("10.0.0.1", 443, tls=True),), Origination(), b"10.0.0.1", "10.0.0.1"),
        ((Address("fd00::1", 8443, tls=True),), Origination(), b"[fd00::1]:8443", "fd00::1"),
        ((Address("10.0.0.1", 8443, tls=True),), Origination("pay.test"), b"pay.test:8443", "pay.test"),
    ],
)
def test_what_a_service_at_https_is_asked_as(
    addresses: tuple[Address, ...], tls: Origination, host: bytes, name: str
) -> None:
    given = shop(Intercept.ADDRESS)
    pay = replace(given.services["pay"], addresses=addresses, tls=tls)
    layout = Layout(outbound={("web", callee): PROXY for callee in ("orders", "db", "pay")})
    snapshot = compile_snapshot(replace(given, services={**given.services, "pay": pay}), layout, {}, 1)
    upstream = snapshot.upstreams["pay"]
    assert (upstream.host, upstream.outside) == (host, True)
    assert upstream.tls is not None
    assert upstream.tls.name == name
    assert snapshot.upstreams["orders"].tls is None
