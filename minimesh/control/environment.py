"""The environment of a child: up's own, the env files, what the mesh adds, then `env`; the later wins. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from minimesh.control.layout import Layout, callees
from minimesh.control.outward import proxy_variables
from minimesh.model.address import LOOPBACK, Address
from minimesh.model.project import Project
from minimesh.model.service import Protocol, Service, Task
from minimesh.model.template import Reference


@dataclass(frozen=True, slots=True)
class Environment:
    """Of one replica, with nothing left to fill in. argv: the arguments, or the one command line of a shell."""

    whole: Mapping[str, str]
    argv: tuple[str, ...]


def environment(
    project: Project,
    layout: Layout,
    caller: Service | Task,
    replica: int,
    inherited: Mapping[str, str],
    from_files: Mapping[str, str],
) -> Environment:
    """Of a replica (from 1) of a service that has a process, or of a task. from_files: of its env files."""
    process = caller.process
    assert process is not None, "only what has a process has an environment"
    references = _References(project, layout, caller.name, layout.replicas.get((caller.name, replica)))
    mesh = mesh_environment(project, layout, caller, replica)
    whole = {**inherited, **from_files, **mesh}
    whole |= proxy_variables(layout.proxies.get(caller.name), whole)
    return Environment(whole, tuple(part.render(references) for part in process.command.argv))


def mesh_environment(project: Project, layout: Layout, caller: Service | Task, replica: int) -> dict[str, str]:
    """What the mesh and `env` of the file add to the environment of a replica."""
    assert caller.process is not None, "only what has a process has an environment"
    references = _References(project, layout, caller.name, layout.replicas.get((caller.name, replica)))
    written = {name: template.render(references) for name, template in caller.process.env.items()}
    return {**_mesh_variables(project, layout, caller, replica), **written}


def _mesh_variables(project: Project, layout: Layout, caller: Service | Task, replica: int) -> dict[str, str]:
    """`$PORT`, and for each service that the caller may call `$ORDERS_URL`; of one that speaks tcp or udp `$DB_ADDR`,
    `$DB_HOST` and `$DB_PORT`; of one that speaks gRPC `$ORDERS_ADDR` too, which is what its clients ask for."""
    variables = {"PYTHONUNBUFFERED": "1"}  # a pipe would make Python keep its output to itself
    port = layout.replicas.get((caller.name, replica))
    if port is not None:
        variables["PORT"] = str(port)
    for callee in callees(project, caller):
        service, address = project.services[callee], layout.outbound[caller.name, callee]
        variables[address_variable(service)] = str(address) if service.opaque else address.url
        if service.protocol is Protocol.GRPC:
            variables[f"{variable_name(callee)}_ADDR"] = str(address)
        if service.opaque:
            variables[f"{variable_name(callee)}_HOST"] = address.host
            variables[f"{variable_name(callee)}_PORT"] = str(address.port)
    return variables


def address_variable(service: Service) -> str:
    """The variable in which a caller finds where it reaches a service."""
    return f"{variable_name(service.name)}_{'ADDR' if service.opaque else 'URL'}"


def url_of(service: Service, address: Address) -> str:
    """Where a service is reached, as a URL: of one that speaks tcp or udp with a scheme that says so."""
    return f"{service.protocol}://{address}" if service.opaque else address.url


def variable_name(service: str) -> str:
    """A service's name in variables: upper case, `-` becomes `_`."""
    return service.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class _References:
    """What `${orders.url}` and `${self.port}` stand for, as one caller sees it."""

    project: Project
    layout: Layout
    caller: str
    own_port: int | None

    def __call__(self, reference: Reference) -> str:
        address = self._address(reference)
        match reference.attribute:
            case "url":
                return self._url(reference, address)
            case "host":
                return address.host
            case "port":
                return str(address.port)
            case "address" | "addr":
                return str(address)
        raise ValueError(f"{reference} has no such attribute")

    def _url(self, reference: Reference, address: Address) -> str:
        name = self.caller if reference.service == "self" else reference.service
        service = self.project.services.get(name)
        return address.url if service is None else url_of(service, address)

    def _address(self, reference: Reference) -> Address:
        if reference.service in ("self", self.caller):
            if self.own_port is None:
                raise ValueError(f"{reference}: {self.caller} has no port")
            return Address(LOOPBACK[0], self.own_port)
        return self.layout.outbound[self.caller, reference.service]
