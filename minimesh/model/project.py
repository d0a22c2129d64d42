"""A whole project: what minimesh.toml says, checked, with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from minimesh.model.address import Address
from minimesh.model.attest import Attest
from minimesh.model.auth import Auth, Provider
from minimesh.model.authorization import Authorization, Security
from minimesh.model.egress import Egress, Intercept
from minimesh.model.issuing import Issuing
from minimesh.model.route import Route
from minimesh.model.service import Service, Task
from minimesh.model.where import NOWHERE, Where

GATEWAY = "gateway"
DEFAULT_GATEWAY_PORT = 7080


@dataclass(frozen=True, slots=True)
class Limits:
    """What a listener lets a peer do. Times in seconds, sizes in bytes (decoded)."""

    head: float = 5.0
    body: float = 10.0
    send: float = 30.0
    idle: float = 75.0
    head_size: int = 64 * 1024
    fields: int = 100
    target: int = 8 * 1024
    connections: int = 10_000


@dataclass(frozen=True, slots=True)
class TcpPort:
    """Where connections come in that are passed on as bytes. sni: only those of TLS that ask for this name, in lower
    case, `"db.test"` or `"*.db.test"` for any name below."""

    listen: Address
    to: str
    sni: str | None = None
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Gateway:
    """The way in. `listen` None: port 7080 on loopback where that is free, else a stable free one.

    trusted_proxies: CIDR blocks of those whose X-Forwarded-* are believed. allow_ips: of those who may come in; empty:
    everybody may."""

    listen: Address | None = None
    limits: Limits = Limits()
    routes: tuple[Route, ...] = ()
    where: Where = NOWHERE
    tcp: tuple[TcpPort, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    allow_ips_where: Where = NOWHERE
    auth: Auth | None = None


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class AccessLog:
    path: Path
    format: LogFormat = LogFormat.JSON


class Hop(StrEnum):
    """How a call crosses from the caller's proxy to the callee's."""

    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Of each service's log and of the access log: bytes a file, and rotated files kept."""

    max_size: int = 50 * 1024 * 1024
    keep: int = 3


@dataclass(frozen=True, slots=True)
class Project:
    """`file` is the minimesh.toml; relative paths in it count from its folder, `root`."""

    name: str
    trust_domain: str
    root: Path
    file: Path
    hop: Hop = Hop.MEMORY
    attest: Attest = Attest.OBSERVE
    egress: Egress = Egress.OBSERVE
    intercept: Intercept = Intercept.ADDRESS
    security: Security = Security.STANDARD
    authorization: Authorization = Authorization.OPEN
    gateway: Gateway | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    access_log: AccessLog | None = None
    logs: LogLimits = LogLimits()
    auth: Mapping[str, Provider] = field(default_factory=dict)
    issuing: Issuing = Issuing()
