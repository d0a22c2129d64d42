"""Answers that the mesh itself makes: they say so, and why (problem details, RFC 9457)."""

import json

from minimesh.dataplane.heads import Fields, ResponseHead
from minimesh.model.reason import METHOD_NOT_ALLOWED, OVERLOADED, Reason

_TYPE = "https://minimesh.dev/reasons/"


def answer(
    reason: Reason, *, service: str, detail: str, exchange: str, tries: int, bodiless: bool, details: bool
) -> tuple[ResponseHead, bytes]:
    """Head and body. `details`: the caller is on this machine, and may be told more than code and id."""
    problem: dict[str, object] = {
        "type": _TYPE + reason.code,
        "title": reason.title.format(service=service or "the service"),
        "status": reason.status,
        "reason": reason.code,
        "id": exchange,
    }
    said = [reason.code]
    if details:
        problem |= {"detail": detail, "fault": reason.fault.value, "help": f"minimesh tap {service}".rstrip()}
        said += [f"service={service}"] if service else []
        said += [f"tries={tries}"] if tries else []
    said.append(f"id={exchange}")
    body = json.dumps(problem).encode() + b"\n"
    fields = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-minimesh-reason", "; ".join(said).encode()),
    ]
    if reason is METHOD_NOT_ALLOWED:
        fields.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
    elif reason is OVERLOADED:
        fields.append((b"retry-after", b"1"))
    return ResponseHead(reason.status, Fields(tuple(fields)), 0 if bodiless else len(body)), b"" if bodiless else body
