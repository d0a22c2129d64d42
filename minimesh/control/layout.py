"""Which port everything of a project has, once that is settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minimesh.model.address import Address
from minimesh.model.egress import Intercept
from minimesh.model.project import Project
from minimesh.model.service import Service, Task


@dataclass(frozen=True, slots=True)
class Layout:
    """gateway: where the way in listens. outbound: by caller and callee, the address that the caller
    dials. replicas: by service and replica (from 1), the port that its program listens on. proxies: by caller, where
    its forward proxy listens."""

    gateway: Address | None = None
    outbound: Mapping[tuple[str, str], Address] = field(default_factory=dict)
    replicas: Mapping[tuple[str, int], int] = field(default_factory=dict)
    proxies: Mapping[str, Address] = field(default_factory=dict)

    @property
    def ports(self) -> frozenset[int]:
        """All of them."""
        addresses = [*self.outbound.values(), *self.proxies.values(), *((self.gateway,) if self.gateway else ())]
        return frozenset((*self.replicas.values(), *(address.port for address in addresses)))


def takes_calls(service: Service) -> bool:
    return service.has_port if service.process else bool(service.addresses)


def callers(project: Project) -> Mapping[str, Service | Task]:
    """Everything with a program, which alone can call: services, then tasks."""
    started = {name: service for name, service in project.services.items() if service.process}
    return started | dict(project.tasks)


def callees(project: Project, caller: Service | Task) -> tuple[str, ...]:
    """The services that a caller has an address for."""
    services = project.services
    return tuple(name for name in caller.callees if name in services and takes_calls(services[name]))


def pairs(project: Project) -> tuple[tuple[str, str], ...]:
    """Every caller and callee: one outbound listener each."""
    return tuple((name, callee) for name, caller in callers(project).items() for callee in callees(project, caller))


def proxied(project: Project) -> tuple[str, ...]:
    """Every caller that has a forward proxy of its own."""
    return tuple(callers(project)) if project.intercept is Intercept.PROXY else ()


def listening_replicas(project: Project) -> tuple[tuple[str, int], ...]:
    """Every replica that has a port."""
    return tuple(
        (service.name, replica)
        for service in project.services.values()
        if service.process and service.has_port
        for replica in range(1, service.replicas + 1)
    )
