"""A running mesh as the value that its next image goes on with."""

from base64 import b64encode
from collections.abc import Iterator

from minimesh.control.certifier import Kept
from minimesh.control.handover import (
    AddressState,
    Body,
    Envelope,
    IdentityState,
    LayoutState,
    ListenerState,
    LogState,
    PoolState,
    seal,
)
from minimesh.control.layout import Layout
from minimesh.control.mesh import Mesh
from minimesh.dataplane import OpenListener
from minimesh.model.address import Address, Dialable
from minimesh.supervise import inherited
from minimesh.supervise.logs import ServiceLog
from minimesh.telemetry.keep import count_state

LOG_CHARACTERS = 8 * 1024 * 1024
"""Of all services together; the files have the rest."""


def bequest(mesh: Mesh, lock: int, control: int, signals: int, frozen_at: float, cut: int) -> Envelope:
    """Of a mesh whose data plane is frozen and whose supervisor is still. Waits for nothing."""
    supervisor = mesh.supervisor.hand_over()
    plane = mesh.plane.hand_over()
    listeners = [_listener_state(each) for each in plane.listeners]
    pools: list[PoolState] = [
        {"service": pool.service, "endpoint": pool.endpoint, "connections": list(pool.connections)}
        for pool in plane.pools
    ]
    logs, options = tuple(mesh.logs), mesh.world.options
    body: Body = {
        "started": mesh.prepared.run.started,
        "watched": mesh.watching.seen_to,
        "frozen_at": frozen_at,
        "cut": cut,
        "state": mesh.state,
        "began": mesh.began,
        "control": control,
        "limit": mesh.prepared.descriptors,
        "start": sorted(mesh.world.start),
        "options": {
            "only": list(options.only),
            "profiles": list(options.profiles),
            "further": list(map(str, options.further)),
            "overrides": list(options.overrides),
            "watch": options.watch,
        },
        "scaled": {name: (each.number, each.written) for name, each in mesh.world.scaled.items()},
        "layout": layout_state(mesh.layout),
        "generation": mesh.snapshot.generation,
        "endpoints": {
            name: [
                (endpoint.name, [address_state(address) for address in endpoint.addresses])
                for endpoint in upstream.endpoints
            ]
            for name, upstream in mesh.snapshot.upstreams.items()
        },
        "listeners": listeners,
        "pools": pools,
        "supervisor": supervisor,
        "count": count_state(mesh.telemetry.counters, mesh.windows, mesh.telemetry.ring.total, mesh.clock.monotonic()),
        "logs": [_log_state(log, LOG_CHARACTERS // len(logs)) for log in logs],
        "journal": mesh.journal.kept(),
        "identity": _identity_state(mesh.certifier.kept),
        "guests": [(pid, guest.service, guest.start) for pid, guest in mesh.attesting.guests.known().items()],
    }
    descriptors = [control, *_descriptors(listeners, pools), *inherited.descriptors(supervisor)]
    return seal(mesh.prepared.run.run_id, mesh.image, lock, signals, descriptors, body)


def address_state(address: Dialable) -> AddressState:
    if not isinstance(address, Address):
        return (address.path,)
    return (address.host, address.port, True) if address.tls else (address.host, address.port)


def layout_state(layout: Layout) -> LayoutState:
    gateway = layout.gateway
    return {
        "gateway": None if gateway is None else (gateway.host, gateway.port),
        "outbound": [(*pair, address.host, address.port) for pair, address in layout.outbound.items()],
        "replicas": [(*replica, port) for replica, port in layout.replicas.items()],
        "proxies": [(caller, address.host, address.port) for caller, address in layout.proxies.items()],
    }


def _identity_state(kept: Kept) -> IdentityState:
    return {
        "keys": [
            {
                "certificate": each.certificate.decode(),
                "chain": [pem.decode() for pem in each.chain],
                "root": each.root.decode(),
                "key": each.key.decode(),
            }
            for each in kept.keys
        ],
        "svids": [
            {
                "trust_domain": each.identity.trust_domain,
                "service": each.identity.service,
                "serial": f"{each.serial:x}",
                "not_before": each.not_before,
                "not_after": each.not_after,
                "chain": [pem.decode() for pem in each.chain],
                "key": each.key.decode(),
                "issuer": each.issuer.hex(),
            }
            for each in kept.svids
        ],
    }


def _listener_state(listener: OpenListener) -> ListenerState:
    return {
        "name": listener.name,
        "descriptor": listener.descriptor,
        "connections": [
            {"descriptor": descriptor, "early": b64encode(early).decode()} for descriptor, early in listener.connections
        ],
    }


def _descriptors(listeners: list[ListenerState], pools: list[PoolState]) -> Iterator[int]:
    for pool in pools:
        yield from pool["connections"]
    for listener in listeners:
        yield listener["descriptor"]
        for connection in listener["connections"]:
            yield connection["descriptor"]


def _log_state(log: ServiceLog, characters: int) -> LogState:
    lines: list[tuple[float, int, str, str, float]] = []
    for line in reversed(log.tail()):
        characters -= len(line.text)
        if characters < 0:
            break
        lines.append((line.time, line.replica, line.stream.value, line.text, line.at))
    return {"service": log.service, "lines": lines[::-1]}
