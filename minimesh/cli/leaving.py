"""What `minimesh check` says of calls that leave the project: where they may go, and where they went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from minimesh.cli.findings import Finding
from minimesh.cli.text import plural, some

if TYPE_CHECKING:
    from minimesh.control.client import Client
    from minimesh.control.views import OutsideView
    from minimesh.model.address import Address
    from minimesh.model.project import Project
    from minimesh.model.service import Service

GROUP = "egress"
PATIENCE = 3.0
"""Seconds for a handshake."""
SOON = 14 * 24 * 3600.0


def about_rules(project: Project) -> Iterator[Finding]:
    """Whether what the file says of calls to the outside can come true."""
    from minimesh.model.egress import Egress, Intercept  # noqa: PLC0415 - each look loads only what it needs

    if project.intercept is Intercept.PROXY:
        text = "only what services list" if project.egress is Egress.REGISTERED else "any host, and each is recorded"
        yield Finding(GROUP, "proxy", "ok", f"services call other hosts by their proxies: {text}")
        return
    lists = any(each.egress for each in project.services.values()) or any(
        each.egress for each in project.tasks.values()
    )
    if project.egress is Egress.REGISTERED or lists:
        text = "calls that services make to other hosts do not come by the mesh, which neither sees nor refuses them"
        yield Finding(GROUP, "proxy", "warn", text, 'intercept = "proxy" in [mesh]')


def about_hosts(client: Client) -> Iterator[Finding]:
    """Where services went, or wanted to go, without listing it."""
    views = cast("list[OutsideView]", client.get("/v1/egress"))
    for source in dict.fromkeys(view["source"] for view in views):
        own = [view for view in views if view["source"] == source]
        unlisted = [view["host"] for view in own if not view["listed"] and ":" in view["host"]]
        refused = sum(view["refused"] for view in own)
        if not unlisted:
            text = f"{plural(len(own), 'host')} called, all of them listed"
            yield Finding(GROUP, source, "ok", text)
            continue
        names = ", ".join(f'"{host}"' for host in unlisted)
        text = f"{plural(len(unlisted), 'host')} that it does not list: {some(unlisted)}"
        text += f"; {plural(refused, 'call')} refused" if refused else ""
        yield Finding(GROUP, source, "warn", text, f"egress = [{names}]")


def about_certificates(project: Project) -> Iterator[Finding]:
    """Of services at https://, each asked for once, at the same time."""
    secured = [
        (service, address)
        for service in project.services.values()
        for address in service.addresses
        if getattr(address, "tls", False)
    ]
    if not secured:
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(min(len(secured), 16)) as pool:
        yield from pool.map(lambda pair: _certificate(*pair), cast("list[tuple[Service, Address]]", secured))


def _certificate(service: Service, address: Address) -> Finding:
    import socket  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    name = service.tls.name or address.host
    help_ = f"openssl s_client -connect {address} -servername {name}"
    try:
        context = ssl.create_default_context(cadata=service.tls.roots or None)
        with (
            socket.create_connection((address.host, address.port), PATIENCE) as sock,
            context.wrap_socket(sock, server_hostname=name) as session,
        ):
            shown = session.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {name} at {address} is not accepted: {error.verify_message}"
        return Finding(GROUP, service.name, "fail", text, help_)
    except ssl.SSLError as error:
        text = f"no TLS with {name} at {address}: {(error.reason or str(error)).lower().replace('_', ' ')}"
        return Finding(GROUP, service.name, "fail", text, help_)
    except OSError as error:
        return Finding(GROUP, service.name, "warn", f"{address}: {error.strerror or error}", help_)
    left = ssl.cert_time_to_seconds(str(shown["notAfter"])) - SystemClock().wall()
    text = f"the certificate of {name} is accepted, for {left / 86400:.0f} days more"
    return Finding(GROUP, service.name, "warn" if left < SOON else "ok", text, f"a new certificate for {name}")
