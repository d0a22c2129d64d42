"""What one exchange leaves behind."""

from typing import NamedTuple

from minimesh.model.caller import Attested


class Record(NamedTuple):
    """One finished exchange. Plain fields, so that the data plane can leave a bare tuple in this order.

    Or one connection of which only bytes are known: protocol is "tcp", status 0, host the server name that its TLS
    asked for, first_byte the time until an endpoint had accepted it.

    Or one flow of datagrams, from a caller's address to an endpoint and back: protocol is "udp", first_byte the time
    until the first answer, and detail says how many there were.

    id and trace_id are lower-case hex (16 and 32 digits). started is in monotonic seconds and becomes wall
    time through the ring's offset. Durations are seconds: `first_byte` to the answer's head, 0.0 if none came.
    status 0: no head was sent to the caller. reason is the code of a mesh-made answer, cut the code of what
    ended the exchange early; both "" where the service's own answer passed whole.
    target, host and method hold what came, as text with every byte over 0x7e and below 0x20 still raw:
    escape before showing. bytes are of bodies. tries counts endpoints asked (0: none). grpc_status: of a gRPC call,
    else -1. messages: of a gRPC call, else 0. attested: whether the caller's process was its own (Attested);
    process: which one it was, or why that is not known.
    """

    id: str
    trace_id: str
    request_id: str
    started: float
    duration: float
    first_byte: float
    source: str
    destination: str
    route: str
    listener: str
    endpoint: str
    method: str
    host: str
    target: str
    status: int
    reason: str
    cut: str
    detail: str
    bytes_in: int
    bytes_out: int
    tries: int
    client: str
    protocol: str
    grpc_status: int = -1
    messages_in: int = 0
    messages_out: int = 0
    attested: str = Attested.UNKNOWN
    process: str = ""
