"""Kinds of values that match requests: paths, prefixes and hosts."""

import re
from urllib.parse import quote as percent_encoded

from minimesh.model.route import PathKind, PathMatch
from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote, regex
from minimesh.spec.text_error import TextError

# What the path of a request can hold (RFC 3986, section 3.3), "%" for what is encoded.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()+,;=:@%/-]*", re.ASCII)
_TARGET = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*", re.ASCII)
_METHOD = re.compile(r"\w+(\.\w+)+/(\w+|\*)", re.ASCII)
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*[a-z0-9_][a-z0-9_-]{0,62}", re.ASCII)


def path_match(text: str) -> PathMatch:
    """The match in "/a" (exact), "/a/*" (prefix) or "~^/v[0-9]+/" (regular expression)."""
    if text.startswith("~"):
        return PathMatch(PathKind.REGEX, regex(text[1:]))
    kind = PathKind.PREFIX if text.endswith("/*") else PathKind.EXACT
    value = text.removesuffix("/*") if kind is PathKind.PREFIX else text
    if kind is PathKind.PREFIX and not value:
        return PathMatch(kind, "")
    if "*" in value:
        fix = quote(_encoded(text[: text.index("*")].rstrip("/")) + "/*")
        raise TextError(codes.VALUE, f'the path {quote(text)} has a "*" that is not a last segment "/*"', fix=fix)
    _check_path(text, value)
    return PathMatch(kind, value)


def prefix(text: str) -> str:
    """Whole segments at the beginning of a path: "/api"."""
    plain = text.removesuffix("*").rstrip("/")
    if plain and plain != text:
        raise TextError(codes.VALUE, f'the prefix {quote(text)} must not end in "/" or "*"', fix=quote(plain))
    if not plain:
        raise TextError(codes.VALUE, f"{quote(text)} takes nothing off", fix='"/api"')
    _check_path(text, text)
    return text


def target(text: str) -> str:
    """The path, and perhaps query, of a request: "/healthz"."""
    if not _TARGET.fullmatch(text):
        fix = quote("/" + text.lstrip("/")) if _TARGET.fullmatch("/" + text) else None
        raise TextError(codes.VALUE, f'{quote(text)} is not a path; expected "/healthz" or the like', fix=fix)
    return text


def host(text: str) -> str:
    """A host name, or "*." and one, in lower case and without a port."""
    lower = text.lower()
    if not _HOST.fullmatch(lower) or len(lower) > 253:
        bare = re.sub(r"^https?://|:\d+$|/.*$", "", lower)
        fix = quote(bare) if bare != lower and _HOST.fullmatch(bare) else None
        message = f'{quote(text)} is not a host; expected "shop.test" or "*.shop.test", without port'
        raise TextError(codes.VALUE, message, fix=fix)
    return lower


def _check_path(text: str, value: str) -> None:
    if _PATH.fullmatch(value):
        return
    if not value.startswith("/"):
        fix = quote("/" + text) if _PATH.fullmatch("/" + value) else None
        hint = f"; a gRPC method is written grpc = {quote(text)}" if _METHOD.fullmatch(text) else ""
        raise TextError(codes.VALUE, f'the path {quote(text)} does not begin with "/"{hint}', fix=fix)
    fix = _encoded(re.sub(r"[?#].*", "", text))
    message = f"the path {quote(text)} holds what no path of a request can; write it as it is sent, with %XX"
    raise TextError(codes.VALUE, message, fix=quote(fix))


def _encoded(text: str) -> str:
    """A path as it is sent."""
    return percent_encoded(text, safe="/*%~!$&'()+,;=:@")


PATH_MATCH = Parsed("a path", '"/api/*"', path_match)
PREFIX = Parsed("a path prefix", '"/api"', prefix)
TARGET = Parsed("a path", '"/healthz"', target)
HOST = Parsed("a host", '"shop.test"', host)
