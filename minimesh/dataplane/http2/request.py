"""A request's block of fields, and what it says (RFC 9113, section 8.3.1).

A caller mostly sends the same fields again, and another path. So a block is taken apart in two: its path, and the
rest, and what the rest says is looked up by its bytes. This holds only where a block means the same on every
connection, that is, once the caller has no dynamic table; and only for blocks without secrets.
"""

from functools import lru_cache

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.grpc import is_grpc, is_grpc_web, read_timeout
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, RequestHead
from minimesh.dataplane.http2.fields import DROPPED, FORGOTTEN, PLAIN, PSEUDO, Field, memory, read_length
from minimesh.dataplane.http2.hpack import Decoder, never_indexed
from minimesh.dataplane.paths import canonical
from minimesh.dataplane.values import VISIBLE, authority, request_id, trace_context
from minimesh.model.project import Limits
from minimesh.model.reason import (
    BAD_REQUEST,
    EXPECTATION_FAILED,
    METHOD_NOT_ALLOWED,
    TARGET_TOO_LONG,
)

_HOST, _LENGTH, _EXPECT, _TE, _COOKIE, _TYPE, _GRPC_TIMEOUT = range(4, 11)
_REQUEST_ID, _TRACEPARENT, _TRACESTATE, _FORWARDED, _FETCH_SITE, _KEY = range(11, 17)

MEMORY = memory(
    {
        b"proxy-authorization": DROPPED,
        b"http2-settings": DROPPED,
        b"x-forwarded-client-cert": DROPPED,
        b"host": _HOST,
        b"content-length": _LENGTH,
        b"content-type": _TYPE,
        b"cookie": _COOKIE,
        b"expect": _EXPECT,
        b"grpc-timeout": _GRPC_TIMEOUT,
        b"te": _TE,
        b"x-request-id": _REQUEST_ID,
        b"traceparent": _TRACEPARENT,
        b"tracestate": _TRACESTATE,
        b"x-forwarded-for": _FORWARDED,
        b"x-forwarded-proto": _FORWARDED,
        b"x-forwarded-host": _FORWARDED,
        b"x-forwarded-port": _FORWARDED,
        b"x-real-ip": _FORWARDED,
        b"forwarded": _FORWARDED,
        b"sec-fetch-site": _FETCH_SITE,
        b"sec-websocket-key": _KEY,
    },
    BAD_REQUEST,
)

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority", b":protocol"))
_MOST_REMEMBERED = 1024
_LONGEST_REMEMBERED = 1024
_LONGEST_PATH = 256
_MOST_PATHS = 4096


class Facts:
    """What a request says apart from its path. length -1: it does not say. Most say little: the rest is the class's."""

    method = b""
    authority = b""
    host = b""
    upgrade = b""
    fields = NO_FIELDS
    forwarded = NO_FIELDS
    length = -1
    request_id = b""
    traceparent = b""
    timeout: float | None = None
    grpc = False
    web = False
    cross_site = False
    trailers = False
    expects_continue = False


class Requests:
    """What was read under the same limits, for all connections of it."""

    __slots__ = ("_facts", "_limits", "_targets")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._facts: dict[bytes, Facts] = {}
        self._targets: dict[bytes, bytes] = {}

    def read(self, block: bytes, end: bool, decoder: Decoder[Field]) -> RequestHead:
        """`end`: there is no body. Raises Malformed, and what the decoder raises."""
        if decoder.stateless and len(block) < _LONGEST_REMEMBERED:
            start, stop = _path_in(block)
            if stop:
                facts = self._facts.get(block[:start] + block[stop:])
                if facts is not None:
                    encoded = block[start:stop]
                    return _head(facts, self._targets.get(encoded) or self._target(facts, encoded, decoder), end)
        return self._read_all(block, end, decoder)

    def _target(self, facts: Facts, encoded: bytes, decoder: Decoder[Field]) -> bytes:
        """A path that was not seen. `facts`: of the request that it belongs to."""
        (field,) = decoder.decode(encoded)
        target = _canonical(field.value, facts.method, self._limits)
        if len(encoded) <= _LONGEST_PATH and target != b"*":
            if len(self._targets) >= _MOST_PATHS:
                self._targets.clear()
            self._targets[encoded] = target
        return target

    def _read_all(self, block: bytes, end: bool, decoder: Decoder[Field]) -> RequestHead:
        fields = decoder.decode(block)
        facts, target = _read(fields, self._limits)
        if decoder.stateless and len(block) < _LONGEST_REMEMBERED:
            self._remember(block, facts, fields)
        return _head(facts, target, end)

    def _remember(self, block: bytes, facts: Facts, fields: list[Field]) -> None:
        start, stop = _path_in(block)
        if stop and not any(field.name in FORGOTTEN for field in fields):
            if len(self._facts) >= _MOST_REMEMBERED:
                self._facts.clear()
            self._facts[block[:start] + block[stop:]] = facts


requests_of = lru_cache(maxsize=16)(Requests)
"""The one for these limits."""


def read_fields(fields: list[Field], end: bool, limits: Limits) -> RequestHead:
    """What a block that is decoded already says. `end`: there is no body. Raises Malformed."""
    return _head(*_read(fields, limits), end)


def _read(fields: list[Field], limits: Limits) -> tuple[Facts, bytes]:
    """With the path."""
    facts = Facts()
    pseudo: dict[bytes, bytes] = {}
    kept: list[Field] = []
    special: list[Field] = []
    for field in fields:
        kind = field.kind
        if kind == PLAIN:
            kept.append(field)
        elif kind == PSEUDO:
            _note_pseudo(field, pseudo, field is not fields[len(pseudo)])
        elif kind != DROPPED:
            special.append(field)
    _apply_pseudo(facts, pseudo)
    if special:
        _note_all(facts, special, kept)
    facts.fields = _joined(kept)
    return facts, _canonical(pseudo[b":path"], facts.method, limits)


def _path_in(block: bytes) -> tuple[int, int]:
    """Where the path is, which must be among the first fields and short; (0, 0) where that is not so."""
    at = 0
    size = len(block)
    try:
        while True:
            first = block[at]
            if first >= 0x80:
                if first == 0x84:
                    return at, at + 1
                if first > 0x87:
                    return 0, 0
                at += 1
                continue
            name = first & 0x3F if first >= 0x40 else first & 0x0F
            length = block[at + 1] & 0x7F
            if not 0 < name < 8 or length == 0x7F or 0x20 <= first < 0x40:
                return 0, 0
            stop = at + 2 + length
            if name == 4:
                return (at, stop) if stop <= size else (0, 0)
            at = stop
    except IndexError:
        return 0, 0


def _canonical(path: bytes, method: bytes, limits: Limits) -> bytes:
    if len(path) > limits.target:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    if path == b"*" and method == b"OPTIONS":
        return path
    if path[:1] != b"/" or path.translate(None, VISIBLE):
        raise Malformed(BAD_REQUEST, ":path is not a path")
    return canonical(path)


def _head(facts: Facts, target: bytes, end: bool) -> RequestHead:
    length = facts.length
    if end or facts.upgrade:
        if length > 0:
            raise Malformed(BAD_REQUEST, f"Content-Length is {length}, and there is no body")
        length = 0
    elif length < 0:
        length = UNKNOWN
    head = RequestHead(
        facts.method,
        target,
        facts.authority,
        facts.fields,
        length,
        facts.upgrade,
        facts.expects_continue,
        facts.request_id,
        facts.traceparent,
        facts.forwarded,
        facts.cross_site,
        facts.trailers,
    )
    head.multiplexed = True
    head.grpc = facts.grpc
    head.web = facts.web
    head.timeout = facts.timeout
    return head


def _joined(kept: list[Field]) -> Fields:
    pairs = tuple([(field.name, field.value) for field in kept])
    return Fields(pairs, None, b"".join([field.http2 for field in kept]))


def _note_pseudo(field: Field, pseudo: dict[bytes, bytes], late: bool) -> None:
    if late:
        raise Malformed(BAD_REQUEST, f"{field.name.decode()} stands behind other fields")
    if field.name not in _PSEUDO or field.name in pseudo:
        raise Malformed(BAD_REQUEST, f"{field.name.decode()} is not a pseudo-field of requests, or is there twice")
    pseudo[field.name] = field.value


def _apply_pseudo(facts: Facts, pseudo: dict[bytes, bytes]) -> None:
    """RFC 9113, section 8.3.1; with :protocol, RFC 8441, section 4."""
    method = pseudo.get(b":method", b"")
    if not method or method.translate(None, _TOKEN):
        raise Malformed(BAD_REQUEST, ":method is missing or not a method")
    protocol = pseudo.get(b":protocol")
    if method in (b"CONNECT", b"TRACE") and protocol is None:
        raise Malformed(METHOD_NOT_ALLOWED, method.decode())
    if protocol is not None:
        if method != b"CONNECT":
            raise Malformed(BAD_REQUEST, "there is a :protocol without CONNECT")
        if protocol != b"websocket":
            raise Malformed(METHOD_NOT_ALLOWED, f"CONNECT for {protocol.decode('latin-1')}")
        facts.upgrade = protocol
        method = b"GET"
    if pseudo.get(b":scheme") not in (b"http", b"https"):
        raise Malformed(BAD_REQUEST, ":scheme is missing, or neither http nor https")
    if not pseudo.get(b":path"):
        raise Malformed(BAD_REQUEST, ":path is missing")
    facts.method = method
    said = pseudo.get(b":authority")
    if said is not None:
        facts.authority = authority(said)
        if not facts.authority:
            raise Malformed(BAD_REQUEST, ":authority is not a host and port")


def _note_all(facts: Facts, special: list[Field], kept: list[Field]) -> None:
    """The fields that decide something; they are kept where the endpoint has to see them too."""
    cookies: list[bytes] = []
    states: list[Field] = []
    for field in special:
        kind, value = field.kind, field.value
        if kind == _TE:
            if value != b"trailers":
                raise Malformed(BAD_REQUEST, "te is not trailers")
            facts.trailers = True
            kept.append(field)
        elif kind == _TYPE:
            facts.grpc = is_grpc(value)
            facts.web = is_grpc_web(value)
            kept.append(field)
        elif kind == _LENGTH:
            facts.length = read_length(field, facts.length, BAD_REQUEST)
            kept.append(field)
        elif kind == _REQUEST_ID:
            facts.request_id = request_id(value)
        elif kind == _TRACEPARENT:
            facts.traceparent = trace_context(value)
        elif kind == _TRACESTATE:
            states.append(field)
        elif kind == _COOKIE:
            cookies.append(value)
        elif kind == _GRPC_TIMEOUT:
            facts.timeout = read_timeout(value)
            kept.append(field)
        else:
            _note_rare(facts, field, kept)
    if facts.traceparent:
        # Trace Context, section 3.2.2.5: where the trace begins anew, there is no state of it.
        kept += states
    if cookies:
        # RFC 9113, section 8.2.3: what was sent in crumbs is one cookie for everybody else.
        cookie = b"; ".join(cookies)
        kept.append(Field(b"cookie", cookie, PLAIN, never_indexed(b"cookie", cookie)))


def _note_rare(facts: Facts, field: Field, kept: list[Field]) -> None:
    kind, value = field.kind, field.value
    if kind == _HOST:
        host = authority(value)
        if not host or facts.host or host != (facts.authority or host):
            raise Malformed(BAD_REQUEST, "Host is there twice, or not what :authority says")
        facts.authority = facts.host = host
    elif kind == _FORWARDED:
        facts.forwarded = Fields((*facts.forwarded.pairs, (field.name, value)))
    elif kind == _FETCH_SITE:
        facts.cross_site = facts.cross_site or value in (b"cross-site", b"same-site")
        kept.append(field)
    elif kind == _EXPECT:
        if value.lower() != b"100-continue":
            raise Malformed(EXPECTATION_FAILED, "Expect is not 100-continue")
        facts.expects_continue = True
    elif kind == _KEY and not facts.upgrade:
        kept.append(field)
