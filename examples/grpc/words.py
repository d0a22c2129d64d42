"""A gRPC service without generated code: messages are UTF-8 text."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVING = b"\x08\x01"


def count(request, context):
    """Words in a text."""
    words = request.decode().split()
    if not words:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no word in it")
    return f"{len(words)} {os.getpid()}".encode()


def split(request, context):
    """One word after the other."""
    yield from request.split()


server = grpc.server(ThreadPoolExecutor(8))
for name, methods in {
    "demo.Words": {
        "Count": grpc.unary_unary_rpc_method_handler(count),
        "Split": grpc.unary_stream_rpc_method_handler(split),
    },
    "grpc.health.v1.Health": {"Check": grpc.unary_unary_rpc_method_handler(lambda request, context: SERVING)},
}.items():
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
signal.signal(signal.SIGTERM, lambda *_: server.stop(1))
server.start()
server.wait_for_termination()
