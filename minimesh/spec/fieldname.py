"""Names of fields (of HTTP) that the mesh reads, or sends of its own."""

import re

from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.node import Node
from minimesh.spec.text_error import TextError

FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
# What frames a message, leads it, or is the mesh's own to say.
_TAKEN = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|content-.*|forwarded|cookie"
    r"|set-cookie|x-forwarded-.*|x-minimesh-.*|x-request-id|traceparent|tracestate|grpc-.*|sec-.*"
)


def field_name(text: str) -> str:
    """In lower case."""
    if not FIELD.fullmatch(text):
        fix = quote(re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")[:64] or "x-user")
        raise TextError(codes.NAME, f"{quote(text)} is not the name of a field", fix=fix)
    lower = text.lower()
    if _TAKEN.fullmatch(lower):
        fix = quote(f"x-{lower.rpartition('-')[2]}")
        raise TextError(codes.NAME, f"the field {quote(text)} has a meaning of its own", fix=fix)
    return lower


MOST_PARTS = 8


def made_field(text: str) -> str:
    """One that the mesh sends."""
    lower = field_name(text)
    if len(re.split("[-_]", lower)) > MOST_PARTS:
        raise TextError(codes.NAME, f"the field {quote(text)} has more than {MOST_PARTS} parts", fix='"x-user"')
    if lower == "authorization":
        raise TextError(codes.NAME, "the field authorization is the caller's to send", fix='"x-user"')
    return lower


def check_made_field(node: Node) -> bool:
    """Whether the key will do as the name of such a field; notes why not."""
    try:
        made_field(node.name)
    except TextError as error:
        node.note_key(error.code, error.message, f'{{ {error.fix or "x-user"} = "sub" }}')
        return False
    return True


FIELD_NAME = Parsed("the name of a field", '"x-api-key"', field_name)
MADE_FIELD = Parsed("the name of a field", '"x-user"', made_field)
