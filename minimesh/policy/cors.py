"""CORS: what a browser is told that asks whether a page of one origin may call another (Fetch, section 3.3).

It is the browser that refuses, on behalf of its user. A caller that is no browser is not held up, so a request of a
foreign page goes on like any other, and its answer is just not given to the page.
"""

import re
from typing import NamedTuple

from minimesh.model.cors import ANY, Cors

Pair = tuple[bytes, bytes]

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_MOST_NAMES = 64
_VARY = (b"vary", b"Origin")
_VARY_PREFLIGHT = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")

ANSWERED = (
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-expose-headers",
    b"access-control-max-age",
)
"""The fields of an answer by which a browser decides; where there is a policy they are of it alone."""


class Preflight(NamedTuple):
    """The answer to a preflight. allowed: whether the origin may call at all; what else is refused the browser sees
    from the lists."""

    allowed: bool
    fields: tuple[Pair, ...]


class Policy:
    """A Cors, made ready to decide."""

    __slots__ = ("_any", "_exact", "_expose", "_headers", "_max_age", "_methods", "_patterns", "_with_credentials")

    def __init__(self, cors: Cors) -> None:
        self._any = ANY in cors.origins
        self._exact = frozenset(origin.encode() for origin in cors.origins)
        self._patterns = tuple(_pattern(origin) for origin in cors.origins if ANY in origin and origin != ANY)
        self._with_credentials: tuple[Pair, ...] = (
            ((b"access-control-allow-credentials", b"true"),) if cors.credentials else ()
        )
        self._expose = _list(b"access-control-expose-headers", cors.expose)
        self._methods = None if ANY in cors.methods else ", ".join(cors.methods).encode()
        self._headers = None if ANY in cors.headers else ", ".join(cors.headers).encode()
        self._max_age = (b"access-control-max-age", b"%d" % cors.max_age)

    def allows(self, origin: bytes) -> bool:
        return self._any or origin in self._exact or any(each.fullmatch(origin) for each in self._patterns)

    def answer(self, origin: bytes | None) -> tuple[Pair, ...]:
        """The fields of an answer to a request of this origin, or of none. Caches must tell origins apart even where
        the first to ask has none."""
        vary = () if self._any else (_VARY,)
        if origin is None or not self.allows(origin):
            return vary
        return (self._origin(origin), *self._with_credentials, *self._expose, *vary)

    def preflight(self, origin: bytes, method: bytes, headers: bytes) -> Preflight:
        """method and headers: what Access-Control-Request-Method and -Headers ask for."""
        if not self.allows(origin):
            return Preflight(False, (_VARY_PREFLIGHT,))
        methods = _asked(method) if self._methods is None else self._methods
        allowed = _asked(headers) if self._headers is None else self._headers
        return Preflight(
            True,
            (
                self._origin(origin),
                *self._with_credentials,
                (b"access-control-allow-methods", methods),
                *(((b"access-control-allow-headers", allowed),) if allowed else ()),
                self._max_age,
                _VARY_PREFLIGHT,
            ),
        )

    def _origin(self, origin: bytes) -> Pair:
        return b"access-control-allow-origin", b"*" if self._any else origin


def _asked(value: bytes) -> bytes:
    """The names in what a browser asked for; whatever else is in there is not said back to it."""
    names = [name.strip(b" \t") for name in value.split(b",", _MOST_NAMES)[:_MOST_NAMES]]
    return b", ".join(name for name in names if _TOKEN.fullmatch(name))


def _list(name: bytes, values: tuple[str, ...]) -> tuple[Pair, ...]:
    return ((name, ", ".join(values).encode()),) if values else ()


def _pattern(origin: str) -> re.Pattern[bytes]:
    """`https://*.a.test` as an expression: any number of labels, none empty; `*` as a port: any, or none."""
    scheme, _, rest = origin.partition("://")
    port = rest.rpartition("]")[2].partition(":")[2]
    host = rest.removesuffix(f":{port}") if port else rest
    below = r"(?:[a-z0-9_-]+\.)+" if host.startswith("*.") else ""
    after = r"(?::[0-9]{1,5})?" if port == ANY else re.escape(f":{port}") if port else ""
    return re.compile(f"{re.escape(scheme)}://{below}{re.escape(host.removeprefix('*.'))}{after}".encode())
