"""What `minimesh check` says of security: what `standard` leaves open, and the line that closes each of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from minimesh.cli.devtokens import is_loopback
from minimesh.cli.findings import Finding
from minimesh.cli.text import some

if TYPE_CHECKING:
    from minimesh.model.auth import Auth
    from minimesh.model.project import Project

GROUP = "security"


def about_security(project: Project) -> Iterator[Finding]:
    """What is open is told as such; it is a warning where `strict` was asked for too, and where strangers come in."""
    from minimesh.model.authorization import Security  # noqa: PLC0415 - each look loads only what it needs

    strict = project.security is Security.STRICT
    yield Finding(GROUP, "level", "ok", f'security = "{project.security}"')
    for name, text, help_ in (*_authorization(project), *_egress(project), *_attest(project)):
        although = ', although security = "strict"' if help_ and strict else ""
        status = "ok" if not help_ else "warn" if strict else "open"
        yield Finding(GROUP, name, status, text + although, help_)
    yield from _audits(project)
    for name, text, help_ in _edge(project):
        yield Finding(GROUP, name, "warn" if help_ else "ok", text, help_)


Told = tuple[str, str, str]
"""Name, what is so, and the line that closes it; "": it is closed."""


def _authorization(project: Project) -> Iterator[Told]:
    from minimesh.control.layout import takes_calls  # noqa: PLC0415
    from minimesh.model.authorization import Authorization  # noqa: PLC0415

    called = [service for service in project.services.values() if takes_calls(service)]
    ruled = [service.name for service in called if any(not rule.audit for rule in service.rules.allow)]
    others = [service.name for service in called if service.name not in ruled]
    if not others:
        yield "calls", "every service says who may call it" if called else "no service takes calls", ""
    elif project.authorization is Authorization.CLOSED:
        yield "calls", f"nobody may call {some(others)}: no `allow`, and authorization is closed", ""
    else:
        text = f"whoever has an address of it may call {some(others)}: no `allow`, and authorization is open"
        yield "calls", text, 'authorization = "closed" in [mesh]; minimesh authz suggest'


def _audits(project: Project) -> Iterator[Finding]:
    for service in project.services.values():
        if audited := [rule for rule in (*service.rules.allow, *service.rules.deny) if rule.audit]:
            where = ", ".join(str(rule.where) for rule in audited)
            yield Finding(GROUP, service.name, "open", f"rules that only record: {where}", "take `audit` out")


def _egress(project: Project) -> Iterator[Told]:
    from minimesh.model.egress import Egress  # noqa: PLC0415

    if project.egress is Egress.OBSERVE:
        yield "egress", "services may call any host outside: egress is observe", 'egress = "registered" in [mesh]'
    else:
        yield "egress", "of what comes by the mesh only listed hosts are reached: egress is registered", ""


def _attest(project: Project) -> Iterator[Told]:
    from minimesh.control.attesting import AVAILABLE  # noqa: PLC0415
    from minimesh.model.attest import Attest  # noqa: PLC0415

    if not AVAILABLE:
        text = "any process of yours can call as a service: this system does not tell whose a connection is"
        yield "attest", text, "Linux tells"
    elif project.attest is Attest.ENFORCE:
        yield "attest", "only a service's own processes call as it: attest is enforce", ""
    else:
        what = "is only marked" if project.attest is Attest.OBSERVE else "is not even noticed"
        text = f"a stranger's process that calls as a service {what}: attest is {project.attest}"
        yield "attest", text, 'attest = "enforce" in [mesh]'


def _edge(project: Project) -> Iterator[Told]:
    """The gateway, where others than this machine reach it."""
    from minimesh.model.auth import Missing  # noqa: PLC0415

    def lets_in(auth: Auth | None) -> bool:
        return auth is None or not auth.use or auth.missing is Missing.ANONYMOUS

    gateway = project.gateway
    if gateway is None or gateway.allow_ips:
        return
    closing = 'auth = "users" or allow_ips = ["10.0.0.0/8"] in [gateway], or a port of 127.0.0.1'
    if gateway.listen is not None and not is_loopback(gateway.listen.host):
        where = f"{gateway.listen}, beyond this machine"
        open_ = [route.name for route in gateway.routes if lets_in(route.auth or gateway.auth)]
        if open_:
            yield "gateway", f"everybody gets in at {where}, by {some(open_)}", closing
        else:
            yield "gateway", f"nobody gets in unknown at {where}", ""
    for port in gateway.tcp:
        if not is_loopback(port.listen.host):
            yield "gateway", f"everybody gets in at {port.listen}, beyond this machine, to {port.to}", closing
