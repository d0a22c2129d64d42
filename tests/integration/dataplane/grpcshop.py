"""A service of grpcio for tests. Its messages are plain bytes, so it needs no generated code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

PATIENCE = 20.0


class Shop(grpc.GenericRpcHandler):
    """Echo, Fail, and Count, which sends its second message once `more` is set."""

    def __init__(self) -> None:
        self.more = threading.Event()
        self.cancelled = threading.Event()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        match details.method:
            case "/shop.Orders/Echo":
                return grpc.unary_unary_rpc_method_handler(_echo)
            case "/shop.Orders/Fail":
                return grpc.unary_unary_rpc_method_handler(_fail)
            case "/shop.Orders/Count":
                return grpc.unary_stream_rpc_method_handler(self._count)
            case _:
                return None

    def _count(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        yield b"one"
        self.more.wait(PATIENCE)
        yield b"two"

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The port."""
        try:
            with serving(self) as (_, port):
                yield port
        finally:
            self.more.set()


@contextmanager
def serving(handler: grpc.GenericRpcHandler, port: int = 0, most: int = 4 << 20) -> Iterator[tuple[grpc.Server, int]]:
    """A server and its port. most: bytes of a message."""
    options = (("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", most))
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler], options=options)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield server, port
    finally:
        server.stop(0).wait(PATIENCE)


def _echo(message: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_trailing_metadata((("cost", "7"), ("proof-bin", b"\x00\xff")))
    return message


def _fail(message: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such order: ü")
