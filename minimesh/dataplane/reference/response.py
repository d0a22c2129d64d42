"""An answer's head: parsed by h11, then held to what the mesh demands on top."""

import re
from dataclasses import dataclass

import h11

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.reference.body import LONGEST_LINE, Body
from minimesh.dataplane.reference.fields import Head, end_to_end, last, tokens_of
from minimesh.dataplane.reference.screen import screen_head, values_of
from minimesh.model.reason import UPSTREAM_PROTOCOL

_TIMEOUT = re.compile(rb"\btimeout=([0-9]{1,6})\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: none follows. `until_close`, `keeps` and `idle` as in the fast codec."""

    head: ResponseHead
    body: Body | None
    until_close: bool
    keeps: bool
    idle: float


class Answers:
    """The answers to one request: any number of interim ones, then the one."""

    def __init__(self, request: OutgoingHead) -> None:
        self._request = request
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_LINE)
        fields = [(b"host", b"service")]
        if request.upgrade:
            fields += [(b"connection", b"upgrade"), (b"upgrade", request.upgrade)]
        # What h11 has to know to tell what may come; the request itself is written elsewhere.
        self._connection.send(h11.Request(method=request.method, target=b"/", headers=fields))

    def read(self, raw: bytes, most_fields: int) -> Answer:
        """A head with the empty line that ends it. Raises Malformed."""
        lines = raw[:-4].split(b"\r\n")
        if len(lines) - 1 > most_fields:
            raise Malformed(UPSTREAM_PROTOCOL, f"more than {most_fields} fields")
        screen_head(raw, UPSTREAM_PROTOCOL)
        if raw[:7] != b"HTTP/1." or raw[7:8] not in b"01" or raw[9:10] not in b"12345":
            raise Malformed(UPSTREAM_PROTOCOL, "the status line is not HTTP/1.1 STATUS REASON")
        chunked = bool(values_of(b"transfer-encoding", lines[1:]))
        if chunked and values_of(b"content-length", lines[1:]):
            raise Malformed(UPSTREAM_PROTOCOL, "there is a Content-Length beside Transfer-Encoding")
        if chunked and raw[7:8] == b"0":
            raise Malformed(UPSTREAM_PROTOCOL, "there is a Transfer-Encoding in HTTP/1.0")
        self._connection.receive_data(raw)
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise Malformed(UPSTREAM_PROTOCOL, str(error)) from error
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise Malformed(UPSTREAM_PROTOCOL, "this is not an answer")
        return self._answer(event, chunked=chunked)

    def _answer(self, event: h11.InformationalResponse | h11.Response, *, chunked: bool) -> Answer:
        status = event.status_code
        said = tokens_of(event, b"connection")
        if status == 101:
            self._check_switch(last(event, b"upgrade").lower(), said)
        bodiless = self._request.method == b"HEAD" or status < 200 or status in (204, 304)
        length = last(event, b"content-length")
        until_close = not bodiless and not chunked and not length
        size = 0 if bodiless else int(length) if length else UNKNOWN
        old = event.http_version == b"1.0"
        timeout = _TIMEOUT.search(last(event, b"keep-alive").lower())
        return Answer(
            ResponseHead(
                status,
                _fields(event, status),
                size,
                reason=bytes(event.reason),
                upgrade=self._request.upgrade if status == 101 else b"",
            ),
            Body(self._connection, UPSTREAM_PROTOCOL, chunked=chunked) if size else None,
            until_close,
            not until_close and b"close" not in said and (not old or b"keep-alive" in said),
            float(timeout[1]) if timeout else 0.0,
        )

    def _check_switch(self, upgrade: bytes, connection: frozenset[bytes]) -> None:
        if not self._request.upgrade:
            raise Malformed(UPSTREAM_PROTOCOL, "it switched protocols without being asked")
        if upgrade != self._request.upgrade or b"upgrade" not in connection:
            raise Malformed(UPSTREAM_PROTOCOL, "it switched to another protocol than was asked for")


def _fields(event: Head, status: int) -> Fields:
    """RFC 9110, section 8.6: a 1xx and a 204 have no length."""
    return end_to_end(event, (b"content-length",) if status < 200 or status == 204 else ())
