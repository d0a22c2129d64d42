"""gRPC by the clients and servers of its own project for Python: what works without the mesh works through it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from tests.integration.interop.shapes import ALL, Caller, failure
from tests.integration.interop.stage import Shapes


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shapes]:
    running = Shapes(tmp_path_factory.mktemp("shapes"))
    yield running
    running.stop()


@pytest.fixture(scope="module", params=["direct", "outbound", "gateway"])
def caller(request: pytest.FixtureRequest, mesh: Shapes) -> Iterator[Caller]:
    ways = {"direct": mesh.direct("shapes"), "outbound": mesh.outbound("shapes"), "gateway": mesh.gateway}
    with Caller(ways[request.param]) as caller:
        yield caller


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.__name__)
def test_every_shape_of_a_call(caller: Caller, shape: Callable[[Caller], None]) -> None:
    shape(caller)


def test_calls_on_one_connection_are_spread_over_the_replicas(mesh: Shapes) -> None:
    with Caller(mesh.outbound("three")) as caller:
        asked = Counter(caller.ask("Who") for _ in range(30))
    assert list(asked.values()) == [10, 10, 10]


@pytest.mark.parametrize(
    ("service", "request_", "code", "words"),
    [
        ("nowhere", b"", grpc.StatusCode.UNAVAILABLE, "nowhere has no endpoint that is ready"),
        ("deaf", b"", grpc.StatusCode.UNAVAILABLE, "deaf refused the connection: connect 127.0.0.1:"),
        (
            "narrow",
            b"late 2",
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "narrow did not answer in time: not whole after 0.4 s",
        ),
    ],
)
def test_what_the_mesh_answers_itself(
    mesh: Shapes, service: str, request_: bytes, code: grpc.StatusCode, words: str
) -> None:
    with Caller(mesh.outbound(service)) as caller:
        error = failure(lambda: caller.unary("Slow")(request_))
    assert error.code() is code
    assert error.details().startswith(words)
    (reason,) = (
        value for name, value in error.initial_metadata() or error.trailing_metadata() if name == "x-minimesh-reason"
    )
    assert f"; service={service}; " in reason


def test_a_service_is_told_no_longer_a_deadline_than_its_answer_is_waited_for(mesh: Shapes) -> None:
    with Caller(mesh.outbound("narrow")) as caller:
        error = failure(lambda: caller.ask("Slow", b"shortened 2"))
    assert (error.code(), error.details()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def test_more_calls_than_a_service_takes(mesh: Shapes) -> None:
    with Caller(mesh.outbound("narrow")) as caller:
        first = caller.serve(b"first 20", "Sleep")
        assert next(first) == b"begun"
        error = failure(lambda: caller.ask("Who"))
        first.cancel()
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("narrow has as many requests as it may have: 1 requests are under way")


def test_what_is_counted_and_told_of_calls(mesh: Shapes) -> None:
    def counted() -> tuple[Counter[str], int, int]:
        (row,) = mesh.api.get("/v1/stat", service="three")
        return Counter(row["grpc"]), row["messages_in"], row["messages_out"]

    before, came, went = counted()
    lines: list[dict[str, Any]] = []
    tapping = threading.Thread(target=lambda: lines.extend(mesh.api.stream("/v1/tap", to="three", max=4)))
    tapping.start()
    with Caller(mesh.outbound("three")) as caller:
        while tapping.is_alive():
            assert caller.collect(iter([b"a"] * 4)) == b"4 in 4"
            assert len(list(caller.serve(b"6 100"))) == 6
            failure(lambda: caller.ask("Fail", b"5"))
            failure(lambda: caller.ask("Fail", b"14"))
            tapping.join(0.15)
    told = {(line["path"], line["grpc"], line["messages_in"], line["messages_out"]) for line in lines}
    assert told <= {
        ("/test.Shapes/Collect", "OK", 4, 1),
        ("/test.Shapes/Serve", "OK", 1, 6),
        ("/test.Shapes/Fail", "NOT_FOUND", 1, 0),
        ("/test.Shapes/Fail", "UNAVAILABLE", 1, 0),
    }
    after, came_now, went_now = counted()
    rounds = (after - before)["UNAVAILABLE"]
    assert after - before == Counter(OK=2 * rounds, NOT_FOUND=rounds, UNAVAILABLE=rounds)
    assert (came_now - came, went_now - went) == (7 * rounds, 7 * rounds)


def test_no_route(mesh: Shapes) -> None:
    with Caller(mesh.gateway) as caller:
        error = failure(lambda: caller.channel.unary_unary("/other.Service/Method")(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.details().startswith("no route matches this host and path")
