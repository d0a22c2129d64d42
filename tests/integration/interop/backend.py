"""A gRPC service that shows what reaches it, and remembers which of its calls were given up and when."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

MIB = 1024 * 1024
LARGEST = (("grpc.max_receive_message_length", 64 * MIB), ("grpc.max_send_message_length", 64 * MIB))
KEEPALIVE = (
    ("grpc.http2.min_ping_interval_without_data_ms", 50),
    ("grpc.keepalive_permit_without_calls", 1),
)
ended: dict[str, float] = {}
"""By the name of a call: when the service saw that nobody waits for it any more."""
begun: list[str] = []


def echo(request: bytes, context: grpc.ServicerContext) -> bytes:
    asked = dict(context.invocation_metadata())
    told = tuple((name, asked[name]) for name in ("x-ask", "x-ask-bin") if name in asked)
    context.send_initial_metadata(told)
    context.set_trailing_metadata((("x-tail", "last"), ("x-tail-bin", b"\0\xff" + request[:8])))
    return request


def compressed(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_compression(grpc.Compression.Gzip)
    return request


def collect(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    sizes = [len(request) for request in requests]
    return b"%d in %d" % (sum(sizes), len(sizes))


def serve(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """`COUNT SIZE`: so many messages of that size."""
    count, size = map(int, request.split())
    for number in range(count):
        yield b"%08d" % number + bytes(size - 8)


def chat(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        yield request.upper()


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    """With the code that was asked for: trailers, and nothing before them."""
    context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x05\0details"),))
    (code,) = (code for code in grpc.StatusCode if code.value[0] == int(request))
    context.abort(code, "nö: 100 % of it\nfailed")
    return b""


def fail_late(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "after one")


def sleep(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """`NAME SECONDS`: says that it has begun, and then works on until nobody wants it."""
    name, seconds = request.decode().split()
    over = threading.Event()

    def gone() -> None:
        if not over.is_set():
            over.set()
            ended[name] = time.monotonic()

    context.add_callback(gone)
    begun.append(name)
    yield b"begun"
    over.wait(float(seconds))
    over.set()


def slow(request: bytes, context: grpc.ServicerContext) -> bytes:
    """The same, without a word before."""
    *_, last = sleep(request, context)
    return last


def seen(request: bytes, context: grpc.ServicerContext) -> bytes:
    return json.dumps({"begun": begun, "ended": ended}).encode()


def who(request: bytes, context: grpc.ServicerContext) -> bytes:
    return str(os.getpid()).encode()


UNARY = {"Echo": echo, "Compressed": compressed, "Fail": fail, "Slow": slow, "Seen": seen, "Who": who}
METHODS: dict[str, Any] = {
    **{name: grpc.unary_unary_rpc_method_handler(method) for name, method in UNARY.items()},
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Serve": grpc.unary_stream_rpc_method_handler(serve),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "Sleep": grpc.unary_stream_rpc_method_handler(sleep),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}


def check(request: bytes, context: grpc.ServicerContext) -> bytes:
    """grpc.health.v1: SERVING."""
    return b"\x08\x01"


def main(port: str) -> None:
    server = grpc.server(ThreadPoolExecutor(100), options=(*LARGEST, *KEEPALIVE))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Shapes", METHODS),))
    health: dict[str, Any] = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", health),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.environ["PORT"])
