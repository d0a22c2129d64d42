"""The whole file: its sections, and what is checked across them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from minimesh.model.attest import Attest
from minimesh.model.auth import Auth, Provider
from minimesh.model.issuing import Issuing
from minimesh.model.project import AccessLog, Gateway, LogLimits, Project
from minimesh.model.route import Route
from minimesh.model.service import Service, Task
from minimesh.spec import codes
from minimesh.spec.auth import PROVIDERS
from minimesh.spec.authorization import check_attested, check_callers
from minimesh.spec.cycles import check_cycles
from minimesh.spec.defaults import with_defaults
from minimesh.spec.gateway import GATEWAY
from minimesh.spec.identity import IDENTITY
from minimesh.spec.include import INCLUDE
from minimesh.spec.many import MapOf
from minimesh.spec.mesh import MESH, Mesh
from minimesh.spec.names import check_name, check_task_name, fitting, roles
from minimesh.spec.node import Node
from minimesh.spec.opaque import check_routes
from minimesh.spec.ports import check_ports
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.service import LATER as SERVICE_LATER
from minimesh.spec.service import SERVICE, SERVICE_KEYS
from minimesh.spec.task import TASK
from minimesh.spec.telemetry import LOGS, TELEMETRY


class Version(Kind[int]):
    """The version of the format: 1."""

    noun = "the number 1"
    example = "1"

    def read(self, node: Node) -> int:
        if node.value is True or node.value != 1 or not isinstance(node.value, int):
            message = f"{node.label} must be 1, the only version of the format that this minimesh knows"
            node.reject(codes.VALUE, message, node.pair("1"))
        return 1


@dataclass(frozen=True, slots=True)
class Sections:
    """What the sections say, each for itself."""

    mesh: Mesh
    gateway: Gateway
    services: Mapping[str, Service]
    tasks: Mapping[str, Task]
    access_log: AccessLog | None
    logs: LogLimits
    auth: Mapping[str, Provider]
    issuing: Issuing


def _defaults(_: Fields) -> None:
    """[defaults] is checked where it stands; what it says has been merged into the services before."""


VERSION = Key("version", Version(), "of this format", required=True)
DEFAULTS = Key(
    "defaults",
    Table(SERVICE_KEYS, _defaults, one_of=SERVICE.one_of, later=SERVICE_LATER, example='{ timeout = "15s" }'),
    "any key of a service, for all of them",
)
SERVICES = Key("services", MapOf(SERVICE, f"{{ web = {SERVICE.example} }}", check_name), "what takes calls")
TASKS = Key("tasks", MapOf(TASK, f"{{ migrate = {TASK.example} }}", check_task_name), "what runs to its end")


def _sections(fields: Fields) -> Sections:
    return Sections(
        fields.get(MESH, Mesh()),
        fields.get(GATEWAY, Gateway()),
        fields.get(SERVICES, {}),
        fields.get(TASKS, {}),
        fields.get(TELEMETRY, None),
        fields.get(LOGS, LogLimits()),
        fields.get(PROVIDERS, {}),
        fields.get(IDENTITY, Issuing()),
    )


FILE = Table(
    (VERSION, INCLUDE, MESH, IDENTITY, DEFAULTS, PROVIDERS, GATEWAY, SERVICES, TASKS, TELEMETRY, LOGS),
    _sections,
    later=("gateways", "slo", "inspector", "peers", "store", "quotas"),
)


def read_project(document: Node, file: Path) -> Project:
    """The project; worth something only if the reading has noted no error."""
    reading = document.reading
    document = with_defaults(document)
    reading.roles = roles(document)
    reading.providers = tuple(document.children["auth"].children) if "auth" in document.children else ()
    said = FILE.read(document)
    check_cycles(reading, said.services, said.tasks)
    check_routes(said.services, said.gateway, document)
    _check_rules(said, document)
    check_ports(said.services, said.gateway, document)
    name = said.mesh.name or fitting(reading.root.name)
    return Project(
        name=name,
        trust_domain=said.mesh.trust_domain or f"{name}.mesh",
        root=reading.root,
        file=file,
        hop=said.mesh.hop,
        attest=said.mesh.attest,
        egress=said.mesh.egress,
        intercept=said.mesh.intercept,
        security=said.mesh.security,
        authorization=said.mesh.authorization,
        gateway=with_default_route(_with_providers(said.gateway, said.auth), said.services),
        services={name: replace(each, auth=_resolved(each.auth, said.auth)) for name, each in said.services.items()},
        tasks=said.tasks,
        access_log=said.access_log,
        logs=said.logs,
        auth=said.auth,
        issuing=said.issuing,
    )


def _resolved(auth: Auth | None, providers: Mapping[str, Provider]) -> Auth | None:
    return None if auth is None else auth.resolved(providers)


def _with_providers(gateway: Gateway, providers: Mapping[str, Provider]) -> Gateway:
    routes = tuple(replace(route, auth=_resolved(route.auth, providers)) for route in gateway.routes)
    return replace(gateway, auth=_resolved(gateway.auth, providers), routes=routes)


def _check_rules(said: Sections, document: Node) -> None:
    started = {name: service.callees for name, service in said.services.items() if service.process is not None}
    callees = started | {name: task.callees for name, task in said.tasks.items()}
    rules = {name: service.rules for name, service in said.services.items()}
    check_callers(callees, rules, document)
    if said.mesh.attest is Attest.OFF:
        check_attested(rules, document)


def with_default_route(gateway: Gateway, services: Mapping[str, Service]) -> Gateway:
    """The gateway; where no route is written and there is but one service to lead to, everything goes there."""
    if gateway.routes or len(services) != 1:
        return gateway
    (service,) = services.values()
    if not service.has_port or service.opaque:
        return gateway
    return replace(gateway, routes=(Route(service.name, where=service.where),))
