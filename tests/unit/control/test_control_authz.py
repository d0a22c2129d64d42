"""What is told of who may call whom; and that what is suggested allows all that there was, and nobody else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from minimesh.control.authz import Asked, UnusablePathError, Wanted, explained, rules_for, seen_in, suggested
from minimesh.model.authorization import Authorization
from minimesh.model.project import Project
from minimesh.model.record import Record
from minimesh.policy.authorization import Call, Policy
from minimesh.spec import load

TOML = """\
version = 1
[gateway]
routes = [{ path = "/api/*", to = "orders", strip_prefix = "/api" }, { path = "/*", to = "web" }]
[services.web]
run = "a"
calls = ["orders", "db"]
[services.batch]
run = "a"
[services.orders]
run = "a"
allow = [
  { from = ["web"], methods = ["GET"], paths = ["/orders/*"] },
  { from = ["batch"], claim = { plan = "paid" }, hours = "08:00-20:00" },
  { from = ["gateway"], audit = true },
]
deny = [{ paths = ["/orders/admin/*"] }]
[services.db]
run = "a"
protocol = "tcp"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "minimesh.toml").write_text(TOML)
    return load(tmp_path / "minimesh.toml", {}).project


def asked(
    caller: str, method: str = "GET", target: str = "/orders/7?x=1", now: float = 43_200.0, **claims: str
) -> Asked:
    return Asked(caller, method, target, (), claims, True, now)


def test_what_decides_and_why_the_others_do_not(project: Project) -> None:
    view = explained(project, project.services["orders"], asked("web"))
    assert view["allowed"]
    assert view["path"] == "/orders/7"
    assert view["decided"] is not None
    assert view["decided"]["where"] == view["where"] == "minimesh.toml:12"
    assert view["decided"]["rule"] == '{ from = ["web"], methods = ["GET"], paths = ["/orders/*"] }'
    assert [(each["effect"], each["fits"]) for each in view["considered"]] == [
        ("deny", False),
        ("allow", True),
        ("allow", False),
        ("allow", False),
    ]
    assert view["considered"][0]["why"] == "the path /orders/7 is not /orders/admin or below"
    assert (view["add"], view["would"], view["has_way"]) == (None, None, True)


def test_by_default_it_says_what_to_add(project: Project) -> None:
    view = explained(project, project.services["orders"], asked("batch", plan="free"))
    assert not view["allowed"]
    assert view["decided"] is None
    assert view["where"] == "minimesh.toml:11"
    assert view["add"] == '{ from = ["batch"], methods = ["GET"], paths = ["/orders/7"] }'
    assert not view["has_way"]
    assert explained(project, project.services["orders"], asked("batch", plan="paid"))["allowed"]
    at_night = explained(project, project.services["orders"], asked("batch", now=0.0, plan="paid"))
    assert at_night["considered"][2]["why"] == "it is 00:00 UTC, not within 08:00-20:00"


def test_audit_a_deny_a_connection_and_an_open_service(project: Project) -> None:
    orders, db = project.services["orders"], project.services["db"]
    assert explained(project, orders, asked("gateway"))["would"] == "allow"
    denied = explained(project, orders, asked("web", target="/orders/x/..%2Fadmin"))
    assert denied["decided"] is not None
    assert (denied["decided"]["effect"], denied["add"]) == ("deny", None)
    connection = explained(project, db, asked("web", "", ""))
    assert (connection["allowed"], connection["method"], connection["path"]) == (True, None, None)
    assert connection["because"] == "db has no `allow`, and authorization is open"


def test_a_path_that_is_no_path(project: Project) -> None:
    with pytest.raises(UnusablePathError, match="climbs above the root"):
        explained(project, project.services["orders"], asked("web", target="/../x"))


# --- suggest -------------------------------------------------------------------------------------------------------

Made = Callable[..., Record]


def record(source: str, destination: str, method: str, target: str, **fields: object) -> Record:
    plain: dict[str, object] = dict.fromkeys(Record._fields, "")
    numbers = {"started": 100.0, "duration": 0.1, "first_byte": 0.1, "status": 200, "bytes_in": 0, "bytes_out": 0}
    said = {"source": source, "destination": destination, "method": method, "target": target, "protocol": "http/1.1"}
    values = {**plain, **numbers, **said, "tries": 1, "grpc_status": -1, **fields}
    return Record._make(values[name] for name in Record._fields)


RECORDS = (
    *(record("web", "orders", "GET", f"/orders/{number}?a=b") for number in range(5)),
    record("web", "orders", "POST", "/orders"),
    record("gateway", "orders", "GET", "/api/orders/7", route="/api/*"),
    record("batch", "orders", "DELETE", "/orders/1", reason="denied", status=403),
    record("web", "orders", "GET", "/orders/9", reason="no_endpoint", status=503),
    record("web", "db", "", "", protocol="tcp", status=0),
    record("gateway", "", "GET", "/nowhere", reason="no_route", status=404),
    record("gateway", "web", "GET", "/", started=10.0),
)


def test_the_smallest_list_that_the_records_need(project: Project) -> None:
    views = {view["service"]: view for view in suggested(project, RECORDS, 1_000.0, Wanted())}
    assert [*views] == ["web", "orders", "db"]
    assert views["orders"]["allow"] == [
        '{ from = ["gateway", "web"], methods = ["GET"], paths = ["~/orders/[0-9]+$"] }',
        '{ from = ["web"], methods = ["POST"], paths = ["/orders"] }',
    ]
    assert (views["orders"]["requests"], views["orders"]["callers"]) == (8, ["gateway", "web"])
    assert views["db"]["allow"] == ['{ from = ["web"] }']
    assert views["web"]["since"] == "1970-01-01T00:16:50.000Z"


def test_only_these_only_since_and_what_was_refused_too(project: Project) -> None:
    assert suggested(project, RECORDS, 1_000.0, Wanted(["batch"])) == [
        {"service": "batch", "requests": 0, "since": None, "callers": [], "allow": []}
    ]
    assert "web" not in [view["service"] for view in suggested(project, RECORDS, 1_000.0, Wanted(since=1_050.0))]
    (orders,) = suggested(project, RECORDS, 1_000.0, Wanted(["orders"], denied=True))
    assert '{ from = ["batch"], methods = ["DELETE"], paths = ["~/orders/[0-9]+$"] }' in orders["allow"]


def test_replayed_against_what_is_suggested_nothing_is_denied(project: Project) -> None:
    orders = [each for each in RECORDS if each.destination == "orders" and each.reason != "denied"]
    policy = Policy(rules_for(project, orders), Authorization.CLOSED).in_force
    seen = [seen_in(project, each) for each in orders]
    calls = [Call(each.caller, False, 0.0, each.method.encode(), each.path.encode()) for each in seen]
    assert all(policy.decide(call).allowed for call in calls)
    foreign = [Call("batch", False, 0.0, call.method, call.path) for call in calls]
    other = [Call(call.caller, False, 0.0, b"DELETE", call.path) for call in calls]
    deeper = [Call(call.caller, False, 0.0, call.method, call.path + b"/admin") for call in calls]
    assert not any(policy.decide(call).allowed for call in (*foreign, *other, *deeper))
