"""How else a service may read the path that it is asked for.

The mesh has one canonical path, which it matches and passes on. Yet services read what it leaves as it is in ways of
their own: `%2F` and a backslash as "/", `;…` as parameters that a segment has, escapes twice over, a last "/" as none.
So whoever refuses by path asks for the loose reading too: what a service that does all of that would take it for.
"""

import re
from urllib.parse import unquote_to_bytes

_UNUSUAL = re.compile(rb"[%;\\]|./$")
_PARAMETERS = re.compile(rb";[^/]*")
_MOST_ROUNDS = 4


def readings(path: bytes) -> tuple[bytes, ...]:
    """The path as it is, and where it can be read in another way, its loose reading. path: canonical, no query."""
    return (path,) if _UNUSUAL.search(path) is None else (path, loose(path))


def loose(path: bytes) -> bytes:
    """Without escapes, parameters, empty and dot segments and a last "/", and with "/" for each backslash."""
    for _ in range(_MOST_ROUNDS):
        before, path = path, unquote_to_bytes(path)
        if path == before:
            break
    kept: list[bytes] = []
    for segment in _PARAMETERS.sub(b"", path.replace(b"\\", b"/")).split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept)
