"""Ports for everything: those that are written must be free, the others are chosen."""

import errno
from collections.abc import Collection, Mapping, Sequence

from minimesh.control import codes, ports
from minimesh.control.holders import holder_of
from minimesh.control.layout import Layout, listening_replicas, pairs, proxied
from minimesh.control.paths import StateFolder
from minimesh.control.report import Problem
from minimesh.model.address import LOOPBACK, Address
from minimesh.model.egress import OUTSIDE
from minimesh.model.project import DEFAULT_GATEWAY_PORT, GATEWAY, Gateway, Project
from minimesh.model.snapshot import Listener, ListenerKind

HOST = LOOPBACK[0]


class StartError(Exception):
    """The mesh cannot run; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def settle(
    project: Project, folder: StateFolder, avoid: Collection[int] = (), held: Mapping[str, int] | None = None
) -> Layout:
    """The layout. avoid: ports that proved to be taken. held: what `chosen` says, kept. Raises StartError."""
    book = ports.PortBook(
        str(project.root), ports.load_ports(folder.ports), ports.ephemeral_range(), ports.is_free, held
    )
    for port in (*avoid, *_written(project)):
        book.reserve(port)
    try:
        return Layout(
            _gateway(project, book),
            {pair: _outbound(project, book, *pair) for pair in pairs(project)},
            {replica: _replica(project, book, *replica) for replica in listening_replicas(project)},
            {caller: Address(HOST, book.choose(f"{caller}->{OUTSIDE}")) for caller in proxied(project)},
        )
    except ports.NoPortError as error:
        raise StartError(Problem(codes.NO_PORT, str(error))) from error


def remember(folder: StateFolder, project: Project, layout: Layout) -> None:
    """Everything gets the same port at the next start, where that is free then."""
    known = ports.load_ports(folder.ports)
    if (now := {**known, **chosen(project, layout)}) != known:
        ports.save_ports(folder.ports, now)


def chosen(project: Project, layout: Layout) -> dict[str, int]:
    """The ports that no file wrote, each by what it is for."""
    gateway = layout.gateway if project.gateway and project.gateway.listen is None else None
    return {
        **({GATEWAY: gateway.port} if gateway else {}),
        **{"->".join(pair): address.port for pair, address in layout.outbound.items()},
        **{f"{caller}->{OUTSIDE}": address.port for caller, address in layout.proxies.items()},
        **{
            f"{service}/{replica}": port
            for (service, replica), port in layout.replicas.items()
            if project.services[service].port is None
        },
    }


def check_written_ports(project: Project, ours: Collection[int] = ()) -> None:
    """Nobody else may listen where a service of ours is going to. ours: ports that we hold. Raises StartError."""
    for service in project.services.values():
        if service.port is None or service.port in ours or not service.process:
            continue
        if not ports.free(service.datagrams)(service.port):
            raise StartError(
                Problem(
                    codes.SERVICE_PORT,
                    f"port {service.port} of {service.name} is already in use",
                    str(service.where),
                    () if service.datagrams else _evidence(service.port),
                    f"stop it, or leave out `port` in [services.{service.name}] and listen on $PORT",
                )
            )


def cannot_listen(project: Project, listener: Listener, error: OSError) -> StartError:
    """What to say when an address that is not ours to change cannot be bound."""
    address = listener.address
    is_gateway = listener.kind is ListenerKind.GATEWAY
    where = str(project.gateway.where) if is_gateway and project.gateway else ""
    if listener.opaque and is_gateway:
        where = str(listener.routes[0].where)
        if error.errno == errno.EADDRINUSE:
            message = f"port {address.port} of the gateway, for tcp, is already in use"
            help_ = f'tcp = [{{ listen = {address.port + 1}, to = "{listener.routes[0].to}" }}]'
            return StartError(Problem(codes.GATEWAY_PORT, message, where, _evidence(address.port), help_))
    elif listener.kind is ListenerKind.SHARED and error.errno == errno.EADDRINUSE:
        service = listener.routes[0].to
        where = str(listener.routes[0].where)
        message = f"{address}, where {service} is to `listen` for its callers, is already in use"
        help_ = f'listen = "{address.host}:{address.port + 1}" under [services.{service}]'
        return StartError(Problem(codes.CANNOT_LISTEN, message, where, _evidence(address.port), help_))
    elif is_gateway and error.errno == errno.EADDRINUSE:
        message = f"gateway port {address.port} is already in use"
        help_ = f"minimesh up --set gateway.http={address.port + 1}"
        return StartError(Problem(codes.GATEWAY_PORT, message, where, _evidence(address.port), help_))
    message = f"cannot listen on {address} for {listener.name}: {error.strerror or error}"
    return StartError(Problem(codes.CANNOT_LISTEN, message, where))


def may_choose_again(project: Project, listener: Listener) -> bool:
    """The port of the listener was our choice, so another one will do."""
    if listener.kind is not ListenerKind.GATEWAY:
        return listener.kind is ListenerKind.OUTBOUND
    return not listener.opaque and not (project.gateway and project.gateway.listen)


def _written(project: Project) -> Sequence[int]:
    services = [service.port for service in project.services.values() if service.port is not None]
    elsewhere = [
        address.port
        for service in project.services.values()
        for address in service.addresses
        if isinstance(address, Address)
    ]
    shared = [service.listen.port for service in project.services.values() if service.listen is not None]
    gateway = project.gateway or Gateway()
    tcp = [entry.listen.port for entry in gateway.tcp]
    return (*services, *shared, *elsewhere, *([gateway.listen.port] if gateway.listen else []), *tcp)


def _gateway(project: Project, book: ports.PortBook) -> Address | None:
    if project.gateway is None:
        return None
    return project.gateway.listen or Address(HOST, book.choose(GATEWAY, DEFAULT_GATEWAY_PORT))


def _outbound(project: Project, book: ports.PortBook, caller: str, callee: str) -> Address:
    is_free = ports.free(project.services[callee].datagrams)
    return Address(HOST, book.choose(f"{caller}->{callee}", is_free=is_free))


def _replica(project: Project, book: ports.PortBook, name: str, replica: int) -> int:
    service = project.services[name]
    if service.port is not None:
        return service.port
    return book.choose(f"{name}/{replica}", is_free=ports.free(service.datagrams))


def _evidence(port: int) -> tuple[str, ...]:
    holder = holder_of(port)
    return (f"held by {holder}",) if holder else ()
