"""The shapes of calls that gRPC has, each asked of a channel, whatever is between it and the service."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self

import grpc
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, StreamEnded, TrailersReceived

from tests.integration.interop.backend import LARGEST, MIB
from tests.processes import until

PATIENCE = 20.0


class Caller:
    """A client of the service. Each channel has a connection of its own."""

    def __init__(self, target: str, *options: tuple[str, Any]) -> None:
        self.target = target
        alone = ("grpc.use_local_subchannel_pool", 1)
        self.channel: Any = grpc.insecure_channel(target, options=(alone, *LARGEST, *options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def unary(self, method: str) -> Any:
        return self.channel.unary_unary(f"/test.Shapes/{method}")

    def ask(self, method: str, request: bytes = b"") -> bytes:
        answer: bytes = self.unary(method)(request, timeout=PATIENCE)
        return answer

    def serve(self, request: bytes, method: str = "Serve", **settings: Any) -> Any:
        return self.channel.unary_stream(f"/test.Shapes/{method}")(request, timeout=PATIENCE, **settings)

    def collect(self, requests: Iterator[bytes]) -> Any:
        return self.channel.stream_unary("/test.Shapes/Collect")(requests, timeout=PATIENCE)

    def chat(self, requests: Iterator[bytes]) -> Any:
        return self.channel.stream_stream("/test.Shapes/Chat")(requests, timeout=PATIENCE)

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("Seen"))
        return found

    def given_up(self, name: str) -> float:
        """When the service saw that nobody waits for a call any more (monotonic seconds)."""
        assert until(lambda: name in self.seen()["ended"]), f"the service still works on {name}"
        moment: float = self.seen()["ended"][name]
        return moment


def failure(call: Callable[[], object]) -> Any:
    """The error that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


def unary(caller: Caller) -> None:
    for size in (0, 1, 100, 16 * 1024 - 5, 70_000):
        assert caller.ask("Echo", bytes(size)) == bytes(size)


def large_message(caller: Caller) -> None:
    message = bytes(range(256)) * (4 * MIB // 256)
    assert caller.ask("Echo", message) == message


def client_stream(caller: Caller) -> None:
    assert caller.collect(iter([b"a", b"", b"ccc"])) == b"4 in 3"
    assert caller.collect(iter([])) == b"0 in 0"


def server_stream(caller: Caller) -> None:
    sizes = [len(message) for message in caller.serve(b"100 1000")]
    assert sizes == [1000] * 100
    assert list(caller.serve(b"0 8")) == []


def bidirectional(caller: Caller) -> None:
    """Each answer comes before the next is asked for."""
    came, turn = [], threading.Semaphore(1)

    def ask() -> Iterator[bytes]:
        for number in range(50):
            assert turn.acquire(timeout=PATIENCE)
            yield b"q%d" % number

    for answer in caller.chat(ask()):
        came.append(answer)
        turn.release()
    assert came == [b"Q%d" % number for number in range(50)]


def large_streams(caller: Caller) -> None:
    """32 MiB down, then up."""
    came = [(int(message[:8]), len(message)) for message in caller.serve(b"512 65536")]
    assert came == [(number, 65536) for number in range(512)]
    assert caller.collect(bytes(65536) for _ in range(512)) == b"%d in 512" % (32 * MIB)


def metadata(caller: Caller) -> None:
    binary = bytes(range(256))
    answer, call = caller.unary("Echo").with_call(
        b"12345678", metadata=(("x-ask", "a, b"), ("x-ask-bin", binary)), timeout=PATIENCE
    )
    assert answer == b"12345678"
    came = dict(call.initial_metadata())
    assert (came["x-ask"], came["x-ask-bin"]) == ("a, b", binary)
    assert dict(call.trailing_metadata()).items() >= {"x-tail": "last", "x-tail-bin": b"\0\xff12345678"}.items()


def every_status(caller: Caller) -> None:
    """Trailers alone, their message in UTF-8 and what details them in binary."""
    for code in tuple(grpc.StatusCode)[1:]:
        request = b"%d" % code.value[0]
        error = failure(partial(caller.ask, "Fail", request))
        assert (error.code(), error.details()) == (code, "nö: 100 % of it\nfailed")
        assert dict(error.trailing_metadata())["grpc-status-details-bin"] == b"\x08\x05\0details"


def late_status(caller: Caller) -> None:
    call = caller.serve(b"", "FailLate")
    assert next(call) == b"one"
    error = failure(lambda: next(call))
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "after one")


def no_method(caller: Caller) -> None:
    assert failure(lambda: caller.ask("Nothing")).code() is grpc.StatusCode.UNIMPLEMENTED


def compression(caller: Caller) -> None:
    message = b"again and " * 10_000
    assert caller.unary("Compressed")(message, compression=grpc.Compression.Gzip, timeout=PATIENCE) == message
    assert caller.ask("Compressed", message) == message


def many_at_once(caller: Caller) -> None:
    """More than one connection's worth of round trips, in one."""
    calls = [caller.unary("Echo").future(b"%d" % number, timeout=PATIENCE) for number in range(64)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(64)]
    streams = [caller.serve(b"20 5000") for _ in range(64)]
    assert [sum(map(len, stream)) for stream in streams] == [100_000] * 64


def within(limits: tuple[float, ...], measured: Callable[[], tuple[float, ...]]) -> None:
    """Seconds; of five tries one is enough, since the machine may be busy with something else."""
    seen = []
    for _ in range(5):
        seen.append(measured())
        if all(took < limit for took, limit in zip(seen[-1], limits, strict=True)):
            return
    raise AssertionError(f"not within {limits} s: {seen}")


def cancellation(caller: Caller) -> None:
    """The service sees it within a tenth of a second."""

    def cancelled() -> tuple[float, ...]:
        name = f"cancelled-{time.monotonic_ns()}"
        call = caller.serve(f"{name} 20".encode(), "Sleep")
        assert next(call) == b"begun"
        left = time.monotonic()
        call.cancel()
        assert failure(lambda: next(call)).code() is grpc.StatusCode.CANCELLED
        return (caller.given_up(name) - left,)

    within((0.1,), cancelled)


def deadline(caller: Caller) -> None:
    """0.3 s against a service that takes 2: told in time, the service sees it, and is asked once."""

    def late() -> tuple[float, ...]:
        name = f"late-{time.monotonic_ns()}"
        caller.ask("Seen")
        began = time.monotonic()
        error = failure(lambda: caller.unary("Slow")(f"{name} 2".encode(), timeout=0.3))
        told = time.monotonic()
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        seen = caller.given_up(name)
        assert caller.seen()["begun"].count(name) == 1
        return told - began, seen - began

    within((0.35, 0.45), late)


def keepalive(caller: Caller) -> None:
    """Pings every tenth of a second, while a call says nothing: nobody minds."""
    pings = (("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 200))
    with Caller(caller.target, *pings, ("grpc.http2.max_pings_without_data", 0)) as pinging:
        call = pinging.serve(b"pinged 0.7", "Sleep")
        assert list(call) == [b"begun"]
        assert pinging.ask("Echo", b"still") == b"still"


def other_type(caller: Caller) -> None:
    """`application/grpc+proto`, which other clients send; and a ping that is answered."""
    host, _, port = caller.target.rpartition(":")
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/test.Shapes/Echo",
        ":authority": caller.target,
        "te": "trailers",
        "content-type": "application/grpc+proto",
    }
    came: list[object] = []
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        client = H2Connection()
        client.initiate_connection()
        client.ping(b"are you?")
        client.send_headers(1, list(fields.items()))
        client.send_data(1, b"\0\0\0\0\3abc", end_stream=True)
        while not {StreamEnded, PingAckReceived} <= set(map(type, came)):
            connection.sendall(client.data_to_send())
            data = connection.recv(65536)
            assert data, "the connection was closed"
            came += client.receive_data(data)
    assert b"".join(event.data for event in came if isinstance(event, DataReceived)) == b"\0\0\0\0\3abc"
    (trailers,) = (event.headers for event in came if isinstance(event, TrailersReceived))
    assert (b"grpc-status", b"0") in [tuple(field) for field in trailers]


ALL: tuple[Callable[[Caller], None], ...] = (
    unary,
    large_message,
    client_stream,
    server_stream,
    bidirectional,
    large_streams,
    metadata,
    every_status,
    late_status,
    no_method,
    compression,
    many_at_once,
    cancellation,
    deadline,
    keepalive,
    other_type,
)
