"""One finished exchange as people and programs read it: the line of the access log and of `tap`."""

import json
from datetime import UTC, datetime
from typing import Literal, TypedDict

from minimesh.model.caller import Attested
from minimesh.model.grpc import counts_as, name_of
from minimesh.model.reason import REASONS, Cut, Fault
from minimesh.model.record import Record

_FAULT_OF_CUT = {
    Cut.CLIENT_GONE: Fault.CLIENT,
    Cut.SLOW_READER: Fault.CLIENT,
    Cut.SLOW_BODY: Fault.CLIENT,
    Cut.IDLE: Fault.CLIENT,
    Cut.UPSTREAM_CUT: Fault.APP,
    Cut.TIMED_OUT: Fault.APP,
    Cut.STOPPED: Fault.MESH,
}

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0x100))} | {ord("\\"): "\\\\"}


class AccessLine(TypedDict):
    """One finished exchange; or, with protocol "tcp", one connection of bytes, with "udp" one flow of datagrams.
    status 0: no head was sent.

    grpc_status (grpc is its name): of a gRPC call that was not cut; messages: of a gRPC call. Bytes outside of
    printable ASCII are `\\xNN`.
    attested: whether the process that called was the caller's own, one that the mesh knows, or somebody else's.
    process: which one, or why that is not known; None where nobody looked."""

    id: str
    trace_id: str
    request_id: str
    time: str
    source: str
    destination: str
    route: str
    method: str
    host: str
    path: str
    status: int
    reason: str | None
    cut: str | None
    detail: str | None
    duration_ms: float
    first_byte_ms: float | None
    bytes_in: int
    bytes_out: int
    tries: int
    max_tries: int
    endpoint: str | None
    secured: Literal["memory"]
    fault: Literal["mesh", "app", "client"] | None
    client: str
    protocol: str
    grpc_status: int | None
    grpc: str | None
    messages_in: int | None
    messages_out: int | None
    attested: Literal["yes", "vouched", "no", "unknown"]
    process: str | None


def access_line(record: Record, wall_offset: float, max_tries: int) -> AccessLine:
    """`wall_offset`: of the ring that the record came from. `time` is when the request came.
    `max_tries`: how many there could have been."""
    fault = fault_of(record)
    ended = record.grpc_status >= 0
    called = ended or record.messages_in or record.messages_out
    return {
        "id": record.id,
        "trace_id": record.trace_id,
        "request_id": escaped(record.request_id),
        "time": timestamp(record.started + wall_offset),
        "source": record.source,
        "destination": record.destination,
        "route": record.route,
        "method": escaped(record.method),
        "host": escaped(record.host),
        "path": escaped(record.target),
        "status": record.status,
        "reason": record.reason or None,
        "cut": record.cut or None,
        "detail": escaped(record.detail) or None,
        "duration_ms": milliseconds(record.duration),
        "first_byte_ms": milliseconds(record.first_byte) if record.first_byte else None,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "tries": record.tries,
        "max_tries": max(max_tries, record.tries),
        "endpoint": record.endpoint or None,
        "secured": "memory",
        "fault": fault.value if fault else None,
        "client": record.client,
        "protocol": record.protocol,
        "grpc_status": record.grpc_status if ended else None,
        "grpc": name_of(record.grpc_status) if ended else None,
        "messages_in": record.messages_in if called else None,
        "messages_out": record.messages_out if called else None,
        "attested": Attested(record.attested).value,
        "process": escaped(record.process) or None,
    }


def as_json(line: AccessLine) -> str:
    """One object, one line, nothing but printable ASCII."""
    return json.dumps(line, separators=(",", ":"))


def as_text(line: AccessLine) -> str:
    """`TIME SOURCE -> DESTINATION METHOD HOST PATH STATUS DURATION in=BYTES out=BYTES …`, then what is not usual.

    Fields are separated by one space and hold none; what is empty is `-`. METHOD of a connection of bytes is TCP, of a
    flow of datagrams UDP.
    """
    words = [
        line["time"],
        line["source"],
        "->",
        line["destination"] or "-",
        _word(line["method"] or (line["protocol"].upper() if line["protocol"] in ("tcp", "udp") else "")),
        _word(line["host"]),
        _word(line["path"]),
        str(line["status"] or "-"),
        f"{line['duration_ms']:g}ms",
        f"in={line['bytes_in']}",
        f"out={line['bytes_out']}",
        f"try={line['tries']}/{line['max_tries']}",
    ]
    if line["grpc"]:
        words.append(f"grpc={line['grpc_status']}:{line['grpc']}")
    if line["messages_in"] is not None:
        words.append(f"messages={line['messages_in']}/{line['messages_out']}")
    words += [f"{name}={value}" for name in ("reason", "cut") if (value := line[name])]
    words += ["attested=no"] if line["attested"] == "no" else []
    words += [f"endpoint={line['endpoint'] or '-'}", f"client={_word(line['client'])}", f"id={line['id']}"]
    return " ".join(words)


def fault_of(record: Record) -> Fault | None:
    """Who has to do something about it; None where nothing is wrong."""
    if record.reason in REASONS:
        return REASONS[record.reason].fault
    if record.cut:
        return _FAULT_OF_CUT[Cut(record.cut)]
    failed = record.status >= 500 if record.grpc_status < 0 else counts_as(record.grpc_status) == 5
    return Fault.APP if failed else None


def escaped(text: str) -> str:
    """Text in which nothing can move a terminal's cursor or end a line; a backslash is doubled."""
    plain = text.translate(_ESCAPES)
    return plain if plain.isascii() else plain.encode("ascii", "backslashreplace").decode()


def timestamp(wall: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(seconds: float) -> float:
    """Milliseconds to the microsecond."""
    return round(seconds * 1e3, 3)


def _word(text: str) -> str:
    return text.replace(" ", "\\x20") or "-"
