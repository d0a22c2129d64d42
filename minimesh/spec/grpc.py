"""How gRPC names its services and their methods."""

import re

from minimesh.model.route import PathKind, PathMatch
from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.text_error import TextError

SERVICE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
LONGEST_NAME = 127
_METHOD = re.compile(rf"({SERVICE_NAME.pattern})(?:/([A-Za-z_][A-Za-z0-9_]*|\*))?", re.ASCII)


def method_match(text: str) -> PathMatch:
    """The match in "shop.Orders/List" (one method), or "shop.Orders" or "shop.Orders/*" (every method of it)."""
    found = _METHOD.fullmatch(text)
    if found is None:
        bare = text.strip("/ ")
        fix = quote(bare) if _METHOD.fullmatch(bare) else None
        hint = (
            f"; is it the path of a request? Then write path = {quote(text)}"
            if text.startswith("/") and not fix
            else ""
        )
        message = f'{quote(text)} is not a gRPC method; expected "shop.Orders/List" or "shop.Orders"{hint}'
        raise TextError(codes.VALUE, message, fix=fix)
    service, method = found[1], found[3]
    if method in (None, "*"):
        return PathMatch(PathKind.PREFIX, f"/{service}", grpc=True)
    return PathMatch(PathKind.EXACT, f"/{service}/{method}", grpc=True)


METHOD = Parsed("a gRPC method", '"shop.Orders/List"', method_match)
