"""One canonical path, made once: it is what is matched, authorized and forwarded."""

import re

from minimesh.dataplane.errors import Malformed
from minimesh.model.reason import BAD_REQUEST

_UNUSUAL = re.compile(rb"[%#]|/[/.]")
_ESCAPE = re.compile(rb"%(..?)?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def canonical(target: bytes) -> bytes:
    """An origin-form target with its path normalised; the query stays as it is.

    Escapes of unreserved characters are decoded, others written in upper case (RFC 3986, section 6.2.2); empty
    and dot segments are removed. Raises Malformed for `#`, a broken escape, an escaped NUL, and `..` above the root.
    """
    if _UNUSUAL.search(target) is None:
        return target
    if b"#" in target:
        raise Malformed(BAD_REQUEST, "there is a # in the target")
    path, mark, query = target.partition(b"?")
    if b"%" in path:
        path = _ESCAPE.sub(_escape, path)
    if b"//" in path or b"/." in path:
        path = _without_dots(path)
    return path + mark + query


def without_prefix(target: bytes, path: bytes, prefix: bytes) -> bytes:
    """A target without the first segments of its path, if they are these whole ones."""
    if not (path == prefix or path.startswith(prefix + b"/")):
        return target
    rest = target[len(prefix) :]
    return rest if rest.startswith(b"/") else b"/" + rest


def _escape(match: re.Match[bytes]) -> bytes:
    try:
        byte = int(match[1], 16) if len(match[1]) == 2 and match[1].isalnum() else -1
    except (TypeError, ValueError):
        byte = -1
    if byte <= 0:
        raise Malformed(BAD_REQUEST, "there is a broken escape or an escaped NUL in the path")
    return bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if not kept:
                raise Malformed(BAD_REQUEST, "the path climbs above the root")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    closed = segments[-1] in (b"", b".", b"..") and kept
    return b"/" + b"/".join(kept) + (b"/" if closed else b"")
