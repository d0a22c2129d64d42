"""A service of a compose file: what of it can run here, on which ports, and where others find it."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from minimesh.integrations.composeports import Port, ports
from minimesh.integrations.environment import environment
from minimesh.integrations.hosts import Peer
from minimesh.integrations.images import plain_port, speaks_http
from minimesh.integrations.listening import listening
from minimesh.integrations.reading import items, mapping, text
from minimesh.integrations.variables import converted, in_shell
from minimesh.spec.files import is_folder, is_there

_USUAL = (80, 8080, 3000, 8000, 5000)
"""Ports of containers that are HTTP where there are several."""


@dataclass(slots=True)
class ComposeService:
    """A service of the file. completes: somebody waits for its end. lost: what is told of it.

    would_be: a port of this machine for one that publishes none; 0: it is not known which it listens on.
    command: what to run; "" where it stays a container. here: it runs without its container.
    """

    name: str
    said: Mapping[str, object]
    folder: Path
    ports: list[Port]
    completes: bool
    would_be: int = 0
    command: str | tuple[str, ...] = ""
    here: bool = False
    lost: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        if text not in self.lost:
            self.lost.append(text)

    @property
    def image(self) -> str:
        return text(self.said.get("image"))

    @property
    def line(self) -> str:
        """The command, to look at."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)

    @property
    def told_port(self) -> bool:
        """Whether it is given $PORT."""
        return "PORT" in environment(self.said.get("environment"), _nobody)

    @property
    def fixed_port(self) -> int | None:
        """What the program listens on here; None: $PORT."""
        if self.told_port:
            return None
        port = listening(self.line)
        return port or (self.ports[0].target if port is None and self.ports else None)

    @property
    def listens(self) -> bool:
        """Whether the program takes calls."""
        return not self.completes and (bool(self.ports) or self.told_port or listening(self.line) is not None)

    @property
    def container_port(self) -> Port | None:
        """Where it is found as a container; None where it cannot be told."""
        published = [port for port in self.ports if port.published]
        usual = [port for port in published if port.target in _USUAL and plain_port(self.image) is None]
        if published:
            return (usual or published)[0]
        return Port(self.inside, f"127.0.0.1:{self.would_be}") if self.inside else None

    @property
    def inside(self) -> int:
        """The port that a container without published ports listens on; 0 where it cannot be told."""
        return plain_port(self.image) or next((port.target for port in self.ports), 0)

    @property
    def publishes(self) -> bool:
        return any(port.published for port in self.ports)

    def peer(self, name: str) -> Peer:
        """As the others reach it; `name` is its name in minimesh.toml."""
        if not self.command:
            found = self.container_port
            if found is None:
                return Peer(name)
            direct = {port.target: port.published for port in (*self.ports, found) if port.published}
            http = bool(self.said.get("build")) and speaks_http(self.image, found.target)
            return Peer(name, direct, found.target, http)
        if not self.here or not self.listens:
            return Peer(name)
        port = self.fixed_port
        main = self.ports[0].target if self.ports else port
        return Peer(name, {main: f"127.0.0.1:{port}"} if main and port else {}, main, http=True)


def services_of(document: Mapping[str, object], folder: Path) -> list[ComposeService]:
    """The services of a compose file, in its order."""
    told = {name: mapping(said) for name, said in mapping(document.get("services")).items() if name}
    awaited = {
        name
        for said in told.values()
        for name, how in mapping(said.get("depends_on")).items()
        if text(mapping(how).get("condition")) == "service_completed_successfully"
    }
    services = [ComposeService(name, said, folder, ports(said), name in awaited) for name, said in told.items()]
    for service in services:
        service.command = _command_here(service)
        service.here = bool(service.command)
        if service.completes and not service.here:
            service.command = f"docker compose run --rm {shlex.quote(service.name)}"
        if not service.ports:
            service.ports = _called_on(service.name, told)
    _give_ports(services)
    return services


def _give_ports(services: list[ComposeService]) -> None:
    """Gives each container that publishes nothing a port of this machine that no other has."""
    taken = {service.fixed_port for service in services if service.here and service.listens}
    taken |= {int(port.published.rpartition(":")[2]) for service in services for port in service.ports if port.on_this}
    for service in services:
        if not service.command and not service.publishes and service.inside:
            service.would_be = service.inside
            while service.would_be in taken:
                service.would_be = service.would_be % 65535 + 1
            taken.add(service.would_be)


def context(said: Mapping[str, object]) -> str:
    """The folder of the sources, "" for the one of the file; it need not be there, or be a folder at all."""
    build = said.get("build")
    path = text(mapping(build).get("context")) if isinstance(build, dict) else text(build)
    path = path.removeprefix("./").rstrip("/")
    return "" if path == "." else path


def _command_here(service: ComposeService) -> str | tuple[str, ...]:
    """What can be run here; "" where only a container can."""
    said = service.said
    if not said.get("build") or not is_folder(service.folder / context(said)):
        return ""
    parts = [part for part in (said.get("entrypoint"), said.get("command")) if part]
    words = [text(word) for part in parts if isinstance(part, list) for word in items(part)]
    lines = [shlex.join(map(text, items(part))) if isinstance(part, list) else text(part).strip() for part in parts]
    listed = all(isinstance(part, list) for part in parts)
    program = next(iter(words if listed else " ".join(lines).split()), "")
    if not program or program.startswith("$") or (program.startswith("/") and not is_there(Path(program))):
        return ""
    if listed:
        return tuple(converted(word, service.tell) for word in words)
    return in_shell(" ".join(lines))


def _called_on(name: str, told: Mapping[str, Mapping[str, object]]) -> list[Port]:
    """The port under which others call a service that does not say it."""
    call = re.compile(rf"(?:^|[/@,\s]){re.escape(name)}:(\d{{2,5}})(?![\d.])")
    for said in told.values():
        for value in environment(said.get("environment"), _nobody).values():
            if (found := call.search(value)) and 1 <= int(found[1]) <= 65535:
                return [Port(int(found[1]), "")]
    return []


def _nobody(_: str) -> None:
    """What is lost is told where the environment is carried over."""
