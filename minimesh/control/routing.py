"""The routes of the gateway in the order in which they are asked, and why a request takes the one that it takes. Pure.

The order is the one of `minimesh.dataplane.router`, told route by route instead of looked up in tables; a property
test holds the two together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from minimesh.model.route import PathKind, Route


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one route says to a request. `why`: the first thing that does not fit, or all that does."""

    route: Route
    matches: bool
    why: str


def in_order(routes: Sequence[Route]) -> list[Route]:
    """The first that matches is taken: exact host, longest wildcard, none; gRPC; exact path, longest prefix, regex."""
    return sorted(routes, key=_rank)  # sorting keeps the order of the file among equals


def verdicts(routes: Sequence[Route], host: str, path: str, grpc: bool = False) -> list[Verdict]:
    """Of every route, in order. host: lower case, no port; path: canonical, no query; grpc: it is a call of gRPC."""
    return [_verdict(route, host, path, grpc) for route in in_order(routes)]


def taken(told: Sequence[Verdict]) -> Route | None:
    return next((verdict.route for verdict in told if verdict.matches), None)


def forwarded(route: Route, path: str) -> str:
    """The path that the service is asked for."""
    prefix = route.strip_prefix
    return path if prefix is None or not _below(path, prefix) else path[len(prefix) :] or "/"


def _rank(route: Route) -> tuple[int, int, bool, int, int]:
    host = 2 if route.host is None else 1 if route.host.startswith("*.") else 0
    kind = (PathKind.EXACT, PathKind.PREFIX, PathKind.REGEX).index(route.path.kind)
    length = len(route.path.value) if kind == 1 else 0
    return host, -len(route.host or "") if host == 1 else 0, not route.path.grpc, kind, -length


def _verdict(route: Route, host: str, path: str, grpc: bool) -> Verdict:
    wrong_host = _host_mismatch(route.host, host)
    if wrong_host:
        return Verdict(route, False, wrong_host)
    if route.path.grpc and not grpc:
        return Verdict(route, False, "it is no gRPC call: POST with content-type application/grpc")
    fits, why = _path(route, path)
    named = f"host {route.host}, " if route.host and fits else ""
    return Verdict(route, fits, named + why)


def _host_mismatch(wanted: str | None, host: str) -> str:
    if wanted is None:
        return ""
    if wanted.startswith("*."):
        below = host.endswith(wanted[1:]) and host.find(".") >= 0 and len(host) > len(wanted) - 1
        return "" if below else f"host {host or 'missing'} is not below {wanted[2:]}"
    return "" if host == wanted else f"host {host or 'missing'} is not {wanted}"


def _path(route: Route, path: str) -> tuple[bool, str]:
    value = route.path.value
    match route.path.kind:
        case PathKind.EXACT:
            return (True, f"path is exactly {value}") if path == value else (False, f"path is not exactly {value}")
        case PathKind.PREFIX:
            shown = value or "/"
            return (True, f"path is {shown} or below") if _below(path, value) else (False, f"path is not below {shown}")
        case PathKind.REGEX:
            fits = re.match(value.encode(), path.encode("latin-1", "replace")) is not None
            return fits, f"path {'fits' if fits else 'does not fit'} the regular expression {value}"


def _below(path: str, prefix: str) -> bool:
    """At whole segments."""
    return path == prefix or path.startswith(f"{prefix}/")
