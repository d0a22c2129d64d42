"""Answers that the mesh itself makes: they say so, and why (problem details, RFC 9457)."""

import json

from minimesh.dataplane.grpc import message_of, status_for
from minimesh.dataplane.heads import Fields, ResponseHead
from minimesh.model.reason import METHOD_NOT_ALLOWED, OVERLOADED, Reason

_TYPE = "https://minimesh.dev/reasons/"


def answer_to_grpc(
    reason: Reason, *, service: str, detail: str, exchange: str, tries: int, details: bool
) -> ResponseHead:
    """Trailers alone, as gRPC has them: a status and a message. `details` as in `answer`."""
    said = _said(reason, service, exchange, tries, details)
    title = _title(reason, service)
    message = f"{title}{f': {detail}' if details and detail not in ('', title) else ''} (id {exchange})"
    fields = (
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"%d" % status_for(reason)),
        (b"grpc-message", message_of(message)),
        (b"x-minimesh-reason", said),
    )
    return ResponseHead(200, Fields(fields))


def answer(
    reason: Reason, *, service: str, detail: str, exchange: str, tries: int, bodiless: bool, details: bool
) -> tuple[ResponseHead, bytes]:
    """Head and body. `details`: the caller is on this machine, and may be told more than code and id."""
    problem: dict[str, object] = {
        "type": _TYPE + reason.code,
        "title": _title(reason, service),
        "status": reason.status,
        "reason": reason.code,
        "id": exchange,
    }
    if details:
        problem |= {"detail": detail, "fault": reason.fault.value, "help": f"minimesh tap {service}".rstrip()}
    body = json.dumps(problem).encode() + b"\n"
    fields = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-minimesh-reason", _said(reason, service, exchange, tries, details)),
    ]
    if reason is METHOD_NOT_ALLOWED:
        fields.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    elif reason is OVERLOADED:
        fields.append((b"retry-after", b"1"))
    return ResponseHead(reason.status, Fields(tuple(fields)), 0 if bodiless else len(body)), b"" if bodiless else body


def _title(reason: Reason, service: str) -> str:
    return reason.title.format(service=service or "the service")


def _said(reason: Reason, service: str, exchange: str, tries: int, details: bool) -> bytes:
    """`no_endpoint; service=orders; tries=1; id=…`"""
    said = [reason.code]
    if details:
        said += [f"service={service}"] if service else []
        said += [f"tries={tries}"] if tries else []
    return "; ".join((*said, f"id={exchange}")).encode()
