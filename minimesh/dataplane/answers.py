"""Answers that the mesh itself makes: they say so, and why (problem details, RFC 9457)."""

import json
from typing import NamedTuple

from minimesh.dataplane.gates import Reply
from minimesh.dataplane.grpc import message_of, status_for
from minimesh.dataplane.heads import Fields, Pairs, ResponseHead
from minimesh.model.reason import METHOD_NOT_ALLOWED, OVERLOADED, Reason

_TYPE = "https://minimesh.dev/reasons/"


class Told(NamedTuple):
    """Why the mesh answers. where: the line of minimesh.toml that decided, or "". exchange: its id. details: the caller
    is on this machine, and may be told more than code and id. help: what to do, where that is known."""

    reason: Reason
    service: str
    detail: str
    where: str
    exchange: str
    tries: int
    details: bool
    help: str = ""

    @property
    def title(self) -> str:
        return self.reason.title.format(service=self.service or "the service")

    @property
    def said(self) -> bytes:
        """`no_endpoint; service=orders; tries=1; id=…`"""
        said = [self.reason.code]
        if self.details:
            said += [f"service={self.service}"] if self.service else []
            said += [f"tries={self.tries}"] if self.tries else []
        return "; ".join((*said, f"id={self.exchange}")).encode()


def answer_to_grpc(told: Told, fields: Pairs = ()) -> ResponseHead:
    """Trailers alone, as gRPC has them: a status and a message. fields: besides."""
    more = [text for text in (told.detail, told.where, told.help) if text not in ("", told.title)]
    more = more if told.details else []
    message = f"{': '.join((told.title, *more))} (id {told.exchange})"
    own = (
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"%d" % status_for(told.reason)),
        (b"grpc-message", message_of(message)),
        (b"x-minimesh-reason", told.said),
    )
    return ResponseHead(200, Fields((*own, *fields)))


def answer(told: Told, fields: Pairs = (), *, bodiless: bool) -> tuple[ResponseHead, bytes]:
    """Head and body. fields: besides."""
    reason = told.reason
    problem: dict[str, object] = {
        "type": _TYPE + reason.code,
        "title": told.title,
        "status": reason.status,
        "reason": reason.code,
        "id": told.exchange,
    }
    if told.details:
        problem |= {"detail": told.detail, "fault": reason.fault.value}
        problem |= {"where": told.where} if told.where else {}
        problem["help"] = told.help or f"minimesh tap {told.service}".rstrip()
    body = json.dumps(problem).encode() + b"\n"
    own = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-minimesh-reason", told.said),
    ]
    if reason is METHOD_NOT_ALLOWED:
        own.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    elif reason is OVERLOADED:
        own.append((b"retry-after", b"1"))
    head = ResponseHead(reason.status, Fields((*own, *fields)), 0 if bodiless else len(body))
    return head, b"" if bodiless else body


def reply(given: Reply, exchange: bytes, *, bodiless: bool) -> tuple[ResponseHead, bytes]:
    """Head and body of what is answered in place of the service."""
    # RFC 9110, section 8.6: a 204 has no length.
    length = () if given.status == 204 else ((b"content-length", b"%d" % len(given.body)),)
    said = b"%b; id=%b" % (given.reason.code.encode(), exchange)
    body = b"" if bodiless else given.body
    head = ResponseHead(given.status, Fields((*given.fields, *length, (b"x-minimesh-reason", said))), len(body))
    return head, body
