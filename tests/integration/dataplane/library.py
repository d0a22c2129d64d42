"""The service of tests/protos/library.proto, on grpcio and without generated code."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.reflection import SERVICE_NAME, enable_server_reflection

from tests.integration.dataplane.grpcshop import serving
from tests.protos import LIBRARY

PATIENCE = 20.0
_SNAKE = re.compile("[A-Z]")
SERVICE = "library.v1.Library"


class Library(grpc.GenericRpcHandler):
    """Says back what it was asked, and keeps it in `asked`. Watch sends its second book once `more` is set."""

    def __init__(self) -> None:
        self.pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(LIBRARY).file:
            self.pool.AddSerializedFile(file.SerializeToString())
        self.more = threading.Event()
        self.cancelled = threading.Event()
        self.asked: list[Any] = []
        self.remaining: list[float] = []
        self.metadata: list[dict[str, str | bytes]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        service, _, name = details.method[1:].rpartition("/")
        if service != SERVICE:
            return None
        method = self.pool.FindServiceByName(SERVICE).methods_by_name[name]
        request = GetMessageClass(method.input_type)
        handlers: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        return handlers[method.client_streaming, method.server_streaming](
            getattr(self, _SNAKE.sub(lambda letter: f"_{letter[0].lower()}", name), self._echo),
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _new(self, kind: str, /, **fields: object) -> Any:
        return GetMessageClass(self.pool.FindMessageTypeByName(f"library.v1.{kind}"))(**fields)

    def _note(self, request: Any, context: grpc.ServicerContext) -> None:
        self.asked.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.remaining.append(context.time_remaining() or 0.0)

    def _echo(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(request, context)
        name = type(request).DESCRIPTOR.name
        if name == "GetShelfRequest":
            context.send_initial_metadata((("shelf-served", "1"),))
            context.set_trailing_metadata((("cost", "7"),))
            return self._new("Shelf", name=request.name, size=2**40)
        if name == "DeleteBookRequest":
            return self._new("Empty")
        return request.book if name in ("CreateBookRequest", "UpdateBookRequest") else self._new("Book")

    def _list_books(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(request, context)
        titles = [request.parent] * request.page_size
        return self._new("ListBooksResponse", books=[self._new("Book", title=title) for title in titles], next="n")

    def _move_book(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(request, context)
        status = self._new("Author", given_name="Ada")
        detail = AnyMessage(type_url="type.googleapis.com/library.v1.Author", value=status.SerializeToString())
        # google.rpc.Status: code 1, message 2, details 3.
        details = b"\x08\x09\x1a" + bytes([len(detail.SerializeToString())]) + detail.SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it is lent: ü")

    def _read_file(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(request, context)
        return self._new("Book", title=request.path)

    def _watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._note(request, context)
        context.add_callback(self.cancelled.set)
        for number in range(request.count):
            if number:
                self.more.wait(PATIENCE)
            yield self._new("Book", title=f"book {number + 1}")
        if request.fail:
            context.abort(grpc.StatusCode.DATA_LOSS, "it burnt")

    def _import(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        titles = []
        for request in requests:
            self._note(request, context)
            titles.append(request.book.title)
        return self._new("ImportResponse", count=len(titles), titles=titles)

    def _chat(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            yield self._new("Book", title=f"{request.title}!")

    @contextmanager
    def serving(self, port: int = 0, *, reflection: bool = False) -> Iterator[int]:
        """The port."""
        with serving(self, port, 16 << 20) as (server, bound):
            if reflection:
                enable_server_reflection((SERVICE, SERVICE_NAME), server, pool=self.pool)
            try:
                yield bound
            finally:
                self.more.set()


if __name__ == "__main__":
    with Library().serving(int(os.environ["PORT"]), reflection=True):
        signal.sigwait({signal.SIGTERM})
