"""The health service of gRPC, asked by hand: one call of grpc.health.v1.Health/Check on a connection of its own."""

import asyncio
import socket
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = 1
_OK, _NOT_FOUND, _UNIMPLEMENTED = b"0", b"5", b"12"
_SETTINGS = b"\4"
MOST = 64 * 1024


class Health(NamedTuple):
    """What a program says of itself. `final`: it will say nothing else, however long one waits."""

    ok: bool
    text: str
    final: bool = False


async def check(sock: socket.socket, service: str, host: str) -> Health:
    """Of a gRPC service by its full name; "": of the whole program. Raises OSError."""
    loop = asyncio.get_running_loop()
    client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    client.initiate_connection()
    client.send_headers(
        1,
        [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/grpc.health.v1.Health/Check"),
            (b":authority", host.encode("ascii", "replace")),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", b"minimesh-probe"),
        ],
    )
    client.send_data(1, request(service), end_stream=True)
    fields: dict[bytes, bytes] = {}
    message, over, spoken = b"", False, False
    while not over:
        if out := client.data_to_send():
            await loop.sock_sendall(sock, out)
        data = await loop.sock_recv(sock, 16 * 1024)
        # The first frame of whoever speaks HTTP/2 is SETTINGS (RFC 9113, section 3.4).
        if data and not spoken and data[3:4] not in (b"", _SETTINGS):
            return Health(False, "health: it does not speak HTTP/2")
        if not data:
            raise ConnectionResetError
        spoken = True
        try:
            events: list[Event] = client.receive_data(data)
        except ProtocolError as error:
            return Health(False, f"health: its HTTP/2 is malformed: {error}"[:200])
        for event in events:
            if isinstance(event, ResponseReceived | TrailersReceived):
                fields |= {bytes(name): bytes(value) for name, value in event.headers or ()}
            elif isinstance(event, DataReceived):
                message += event.data or b""
            over = over or isinstance(event, StreamEnded | StreamReset | ConnectionTerminated)
        if len(message) > MOST:
            return Health(False, "health: more than its answer can be")
    return verdict(fields, message, service)


def request(service: str) -> bytes:
    """A HealthCheckRequest as one message of gRPC. The name has less than 128 bytes."""
    name = service.encode()
    encoded = bytes((0x0A, len(name))) + name if name else b""
    return b"\0" + len(encoded).to_bytes(4, "big") + encoded


def verdict(fields: dict[bytes, bytes], message: bytes, service: str) -> Health:
    """Of an answer's fields and trailers, and its one message, a HealthCheckResponse."""
    whose = f" of {service}" if service else ""
    status = fields.get(b"grpc-status")
    if status == _UNIMPLEMENTED:
        return Health(False, "it has no gRPC health service: use ready = { tcp = true }", final=True)
    if status == _NOT_FOUND:
        return Health(False, f"its health service does not know {service or 'the empty name'}")
    if status is None:
        return Health(False, f"health: HTTP {fields.get(b':status', b'?').decode()} and no status of gRPC")
    if status != _OK:
        return Health(False, f"health{whose}: gRPC status {status.decode('ascii', 'replace')[:9]}")
    payload = message[5:]
    state = payload[1] if payload[:1] == b"\x08" and len(payload) > 1 else 0
    return Health(state == _SERVING, f"health{whose}: {_STATES[state] if state < len(_STATES) else state}")
