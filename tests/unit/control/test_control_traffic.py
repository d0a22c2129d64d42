"""Rows of stat and edges, out of counters that the tests write."""

from minimesh.control.traffic import Subject, call_rows, edge_rows, inbound_rows, route_rows
from minimesh.model.identity import Identity
from minimesh.telemetry.counters import CounterKey
from minimesh.telemetry.windows import Sums, Window

GATEWAY = Subject("gateway", "gateway", 1, 1, 3)
WEB = Subject("web", "service", 1, 1, 2)
ORDERS = Subject("orders", "service", 1, 2, 4)
SUBJECTS = {subject.name: subject for subject in (GATEWAY, WEB, ORDERS)}


def sums(requests: int, failed: int = 0) -> Sums:
    made = Sums()
    made.requests = requests
    made.classes[2], made.classes[5] = requests - failed, failed
    made.latency = {8: requests}
    return made


WINDOW = Window(
    10.0,
    {
        CounterKey("gateway", "web", "/*"): sums(10),
        CounterKey("gateway", "orders", "/api/*"): sums(5),
        CounterKey("gateway", "", ""): sums(1, 1),
        CounterKey("web", "orders", "/*"): sums(20, 5),
    },
)


def test_a_service_is_what_is_asked_of_it_and_the_gateway_what_came_in() -> None:
    rows = inbound_rows(WINDOW, SUBJECTS.values())
    assert [(row["name"], row["requests"], row["rps"]) for row in rows] == [
        ("gateway", 16, 1.6),
        ("web", 10, 1.0),
        ("orders", 25, 2.5),
    ]
    assert rows[2]["success"] == 0.8
    assert rows[2]["p50_ms"] == 0.008
    assert rows[0]["connections"] == 3


def test_no_traffic_is_no_data_and_not_zero() -> None:
    (row,) = inbound_rows(Window(10.0, {}), [WEB])
    assert (row["success"], row["rps"], row["p50_ms"], row["p99_ms"], row["requests"]) == (None, None, None, None, 0)


def test_calls_of_one_by_destination_and_calls_to_one_by_source() -> None:
    pairs = [("web", "orders"), ("orders", "web")]
    assert [row["name"] for row in call_rows(WINDOW, SUBJECTS, "gateway", None, pairs)] == ["web", "orders"]
    assert [row["name"] for row in call_rows(WINDOW, SUBJECTS, None, "orders", pairs)] == ["web", "gateway"]
    (both,) = call_rows(WINDOW, SUBJECTS, "web", "orders", pairs)
    assert (both["name"], both["requests"]) == ("orders", 20)
    (idle,) = call_rows(WINDOW, SUBJECTS, "orders", None, pairs)
    assert (idle["name"], idle["requests"], idle["success"]) == ("web", 0, None)


def test_routes_have_rows_of_their_own() -> None:
    rows = route_rows(WINDOW, SUBJECTS, lambda key: key.source == "gateway")
    assert [(row["name"], row["route"], row["requests"]) for row in rows] == [
        ("orders", "/api/*", 5),
        ("web", "/*", 10),
    ]


def test_edges_have_both_ends_and_show_what_runs_now() -> None:
    active = {CounterKey("orders", "stock", "/*"): 2, CounterKey("web", "orders", "/*"): 0}
    rows = edge_rows(WINDOW, active, lambda name: Identity("shop.mesh", name))
    assert [(row["source"], row["destination"], row["requests"], row["active"]) for row in rows] == [
        ("gateway", "orders", 5, 0),
        ("gateway", "web", 10, 0),
        ("orders", "stock", 0, 2),
        ("web", "orders", 20, 0),
    ]
    assert rows[3]["client_id"] == "spiffe://shop.mesh/svc/web"
