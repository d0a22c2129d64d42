"""An answer's block of fields, and trailers: as strict towards the service as the other side is towards the caller."""

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.http2.fields import DROPPED, PLAIN, PSEUDO, Field, memory, read_length
from minimesh.dataplane.http2.hpack import SECRETS, Decoder
from minimesh.model.reason import BAD_REQUEST, UPSTREAM_PROTOCOL, Reason

_LENGTH = 4
MEMORY = memory({b"te": DROPPED, b"content-length": _LENGTH}, UPSTREAM_PROTOCOL)
"""Of answers. Their trailers are read with it too, and those of requests with the memory of requests."""

_MOST_REMEMBERED = 512
_LONGEST_REMEMBERED = 1024
_heads: dict[tuple[bytes, bool], ResponseHead] = {}
_trailers: dict[bytes, Fields] = {}

# What would decide something too late to be decided (RFC 9110, section 6.5.1).
_NOT_IN_TRAILERS = frozenset(
    b"authorization cache-control content-encoding content-length content-range content-type cookie expect forwarded "
    b"host max-forwards proxy-authorization set-cookie te trailer x-forwarded-client-cert x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto".split()
)


def read_response(block: bytes, end: bool, method: bytes, upgrade: bytes, decoder: Decoder[Field]) -> ResponseHead:
    """A head, as the answer to a request of that method that asked for that upgrade; `end`: there is no body.
    Raises Malformed, and what the decoder raises."""
    plain = decoder.stateless and not upgrade and method != b"HEAD" and len(block) < _LONGEST_REMEMBERED
    if plain:
        known = _heads.get((block, end))
        if known is not None:
            return known
    fields = decoder.decode(block)
    head = response_in(fields, end, method, upgrade)
    if plain and not any(field.name in SECRETS for field in fields):
        if len(_heads) >= _MOST_REMEMBERED:
            _heads.clear()
        _heads[block, end] = head
    return head


def response_in(fields: list[Field], end: bool, method: bytes, upgrade: bytes) -> ResponseHead:
    """The same of a block that is decoded already. Raises Malformed."""
    status = _status_in(fields)
    kept: list[Field] = []
    length = -1
    for field in fields[1:]:
        if field.kind == PLAIN:
            kept.append(field)
        elif field.kind == _LENGTH:
            length = read_length(field, length, UPSTREAM_PROTOCOL)
            if status >= 300 or (status >= 200 and status != 204 and not upgrade):
                kept.append(field)
        elif field.kind == PSEUDO:
            raise Malformed(UPSTREAM_PROTOCOL, f"{field.name.decode()} is misplaced")
    return _head(status, kept, length, end, method, upgrade)


def _status_in(fields: list[Field]) -> int:
    first = fields[0] if fields else None
    if first is None or first.name != b":status" or len(first.value) != 3 or not first.value.isdigit():
        raise Malformed(UPSTREAM_PROTOCOL, "the answer does not begin with :status")
    status = int(first.value)
    if not 100 <= status <= 599 or status == 101:
        raise Malformed(UPSTREAM_PROTOCOL, f":status is {status}")
    return status


def _head(status: int, kept: list[Field], length: int, end: bool, method: bytes, upgrade: bytes) -> ResponseHead:
    fields = joined(kept)
    if upgrade and 200 <= status < 300 and not end:
        return ResponseHead(101, fields, 0, b"", upgrade)
    if status < 200:
        if end:
            raise Malformed(UPSTREAM_PROTOCOL, "the stream ends with an interim answer")
        return ResponseHead(status, fields)
    if method == b"HEAD" or status in (204, 304):
        return ResponseHead(status, fields)
    if not end:
        return ResponseHead(status, fields, UNKNOWN if length < 0 else length)
    if length > 0:
        raise Malformed(UPSTREAM_PROTOCOL, f"Content-Length is {length}, and there is no body")
    if length < 0:
        # HTTP/1 has to be told that there is no body.
        fields = Fields(fields.pairs, fields.http1 + b"content-length: 0\r\n", fields.http2)
    return ResponseHead(status, fields)


def joined(kept: list[Field]) -> Fields:
    pairs = tuple([(field.name, field.value) for field in kept])
    return Fields(pairs, None, b"".join([field.http2 for field in kept]))


def read_trailers(block: bytes, decoder: Decoder[Field], fault: Reason) -> Fields | None:
    """`fault`: BAD_REQUEST or UPSTREAM_PROTOCOL. None: there are none that may be passed on."""
    plain = decoder.stateless and fault is not BAD_REQUEST and len(block) < _LONGEST_REMEMBERED
    if plain:
        known = _trailers.get(block)
        if known is not None:
            return known
    fields = decoder.decode(block)
    trailers = trailers_in(fields, fault)
    if plain and trailers is not None and not any(field.name in SECRETS for field in fields):
        if len(_trailers) >= _MOST_REMEMBERED:
            _trailers.clear()
        _trailers[block] = trailers
    return trailers


def trailers_in(fields: list[Field], fault: Reason) -> Fields | None:
    """The same of a block that is decoded already. Raises Malformed."""
    if any(field.name[:1] == b":" for field in fields):
        raise Malformed(fault, "there is a pseudo-field in the trailers")
    kept = [field for field in fields if field.kind != DROPPED and field.name not in _NOT_IN_TRAILERS]
    return joined(kept) if kept else None
