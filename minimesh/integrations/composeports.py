"""`ports` and `expose` of a compose service."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from minimesh.integrations.reading import items, mapping, number, text
from minimesh.integrations.variables import converted
from minimesh.spec.addresses import host_and_port
from minimesh.spec.interpolate import interpolate
from minimesh.spec.text_error import TextError

_PART = re.compile(r"(?:\$\{[^}]*\}|\[[^\]]*\]|[^:\[])+")
_EVERYWHERE = ("", "0.0.0.0", "[::]", "::", "*")


class Port(NamedTuple):
    """A TCP port of a container, and where it is on this machine: `host:port`, or "" where it is not."""

    target: int
    published: str

    @property
    def on_this(self) -> bool:
        """Whether its port on this machine is a number."""
        return self.published.rpartition(":")[2].isdecimal()


def ports(service: Mapping[str, object]) -> list[Port]:
    """The TCP ports of a service, those that are published first. What makes no sense is left out."""
    found = [port for item in items(service.get("ports")) if (port := _port(item))]
    exposed = [Port(target, "") for item in items(service.get("expose")) if (target := _target(text(item)))]
    every: dict[int, Port] = {}
    for port in sorted((*found, *exposed), key=lambda port: not port.published):
        every.setdefault(port.target, port)
    return list(every.values())


def _port(item: object) -> Port | None:
    if isinstance(item, dict):
        long = mapping(item)
        if text(long.get("protocol")) not in ("", "tcp"):
            return None
        target = _target(text(long.get("target")))
        return Port(target, _address(text(long.get("host_ip")), text(long.get("published")))) if target else None
    short, _, protocol = text(item).partition("/")
    *before, last = _PART.findall(short) or [""]
    target = _target(last)
    if protocol not in ("", "tcp") or not target:
        return None
    return Port(target, _address(":".join(before[:-1]), before[-1]) if before else "")


def _target(written: str) -> int | None:
    """The port inside; the first of a range, the default of a variable."""
    port = number(_evaluated(converted(written, _nobody)).partition("-")[0])
    return port if port and port <= 65535 else None


def _address(host: str, published: str) -> str:
    """`127.0.0.1:5432`, perhaps with variables that have defaults; "" where that would be no address."""
    first = published if "$" in published else published.partition("-")[0]
    host = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    address = converted(f"{'127.0.0.1' if host in _EVERYWHERE else host}:{first}", _nobody)
    try:
        host_and_port(_evaluated(address))
    except TextError:
        return ""
    return address


def _evaluated(written: str) -> str:
    """The text with its variables as they are where none is set."""
    try:
        return "".join(part for part in interpolate(written, {}) if isinstance(part, str))
    except TextError:
        return ""


def _nobody(_: str) -> None:
    """What a port cannot have leaves it without one, and that is told."""
