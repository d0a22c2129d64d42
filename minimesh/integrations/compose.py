"""compose.yaml: what is built and has a command runs here; all other containers stay compose's, with an address."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from minimesh.integrations.composehealth import check, ready
from minimesh.integrations.composeports import Port, ports
from minimesh.integrations.draft import Draft, Entry, Value
from minimesh.integrations.durations import seconds, written
from minimesh.integrations.environment import env_files, environment
from minimesh.integrations.hosts import Hosts, Peer
from minimesh.integrations.images import plain_port
from minimesh.integrations.listening import listening
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import items, mapping, number, read_yaml, text, texts
from minimesh.integrations.variables import converted, in_shell, plain
from minimesh.spec.files import is_folder, is_there
from minimesh.spec.process import stop_signal
from minimesh.spec.text_error import TextError

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = tuple(name.replace("compose.y", "compose.override.y") for name in FILES)

_CONDITIONS = {"service_healthy": "ready", "service_started": "started", "service_completed_successfully": "completed"}
_RESTARTS = {"no": "no", "false": "no", "always": "always", "unless-stopped": "always", "on-failure": "on-failure"}
_NOT_CARRIED = (
    *("volumes", "secrets", "configs", "devices", "cap_add", "privileged", "user", "extends", "labels", "develop"),
    *("mem_limit", "cpus", "ulimits", "sysctls", "links", "extra_hosts", "network_mode", "profiles"),
)


@dataclass(slots=True)
class _Service:
    """A service of the file, and what is found out about it before it becomes an entry."""

    name: str
    said: Mapping[str, object]
    folder: Path
    ports: list[Port]
    completes: bool
    command: str | tuple[str, ...] = ""
    lost: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        if text not in self.lost:
            self.lost.append(text)

    @property
    def runs(self) -> bool:
        return bool(self.command)

    @property
    def line(self) -> str:
        """The command, to look at."""
        return self.command if isinstance(self.command, str) else shlex.join(self.command)


def compose(file: Path) -> Draft:
    """What a compose file says. Raises MalformedError and OSError."""
    document = read_yaml(file)
    services = _services(document, file.parent)
    names = fit(service.name for service in services)
    peers = {service.name: _peer(service, names[service.name]) for service in services}
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for service in services:
        entry = _entry(service, names, peers)
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            left_out[names[service.name]] = entry
    lost = (*_not_read(document, file.parent), *_about(entries))
    return Draft(file.name, tuple(entries), left_out, lost)


def _not_read(document: Mapping[str, object], folder: Path) -> list[str]:
    lost = ["`include` is not followed"] if document.get("include") else []
    return lost + [f"{name} is not read" for name in OVERRIDES if is_there(folder / name)]


def _about(entries: list[Entry]) -> list[str]:
    """What the division into containers and programs means."""
    here = [entry for entry in entries if not entry.address]
    about: list[str] = []
    if here:
        about.append(
            "what has `build` and `command` runs here, without its container: it needs what the image installs"
        )
    elif len(entries) > 1:
        about.append(
            "calls between containers stay in their network: the mesh sees those that come through the gateway"
        )
    if here and any(entry.address and not entry.http for entry in entries):
        about.append("what speaks no HTTP is called on its own port, past the mesh")
    return about


def _services(document: Mapping[str, object], folder: Path) -> list[_Service]:
    told = {name: mapping(said) for name, said in mapping(document.get("services")).items() if name}
    awaited = {
        name
        for said in told.values()
        for name, how in mapping(said.get("depends_on")).items()
        if text(mapping(how).get("condition")) == "service_completed_successfully"
    }
    services = [_Service(name, said, folder, ports(said), name in awaited) for name, said in told.items()]
    for service in services:
        service.command = _command(service)
        if not service.ports:
            service.ports = _called_on(service.name, told)
    return services


def _called_on(name: str, told: Mapping[str, Mapping[str, object]]) -> list[Port]:
    """The port under which others call a service that does not say it."""
    call = re.compile(rf"(?:^|[/@,\s]){re.escape(name)}:(\d{{2,5}})(?![\d.])")
    for said in told.values():
        for value in environment(said.get("environment"), lambda _: None).values():
            if (found := call.search(value)) and 1 <= int(found[1]) <= 65535:
                return [Port(int(found[1]), "")]
    return []


def _command(service: _Service) -> str | tuple[str, ...]:
    """What can be run here; "" where only a container can."""
    said = service.said
    if not said.get("build"):
        return f"docker compose run --rm {shlex.quote(service.name)}" if service.completes else ""
    if not said.get("command") and not said.get("entrypoint"):
        return ""
    if not is_folder(service.folder / _context(said)):
        return ""
    parts = [said.get("entrypoint"), said.get("command")]
    words = [text(word) for part in parts for word in items(part)]
    line = " ".join(text(part) for part in parts if not isinstance(part, list))
    program = (line.split() or words or [""])[0]
    if program.startswith("$") or (program.startswith("/") and not is_there(Path(program))):
        return ""
    if not line.strip():
        return tuple(converted(word, service.tell) for word in words) if words and words[0] else ""
    return in_shell(" ".join(filter(None, [line.strip(), shlex.join(words) if words else ""])))


def _fixed_port(service: _Service) -> int | None:
    """What the program listens on here; None: $PORT."""
    if "PORT" in environment(service.said.get("environment"), lambda _: None):
        return None
    told = listening(service.line)
    return told or (service.ports[0].target if told is None and service.ports else None)


def _listens(service: _Service) -> bool:
    return not service.completes and (bool(service.ports) or listening(service.line) is not None)


def _peer(service: _Service, name: str) -> Peer:
    if not service.runs:
        image = text(service.said.get("image"))
        published = {port.target: port.published for port in service.ports if port.published}
        published = published or {inside: f"127.0.0.1:{inside}" for inside in _unpublished(service)[:1]}
        main = next(iter(published), None)
        return Peer(name, published, main, http=bool(service.said.get("build")) and plain_port(image) is None)
    if not _listens(service):
        return Peer(name)
    port = _fixed_port(service)
    main = service.ports[0].target if service.ports else port
    return Peer(name, {main: f"127.0.0.1:{port}"} if main and port else {}, main, http=True)


def _entry(service: _Service, names: Mapping[str, str], peers: Mapping[str, Peer]) -> Entry | str:
    """The entry, or why there is none."""
    name = names[service.name]
    entry = _program(service, name, names, peers) if service.runs else _container(service, name, names)
    if isinstance(entry, str):
        return entry
    return replace(entry, lost=(*renamed(service.name, name), *service.lost, *entry.lost))


def _container(service: _Service, name: str, names: Mapping[str, str]) -> Entry | str:
    """An address where the container is, or would be if it published its port."""
    start = f"docker compose up -d {shlex.quote(service.name)}"
    published = [port for port in service.ports if port.published]
    inside = next(iter(_unpublished(service)), None)
    if not published and inside is None:
        return f"it publishes no port and has no command to run here ({start} starts it)"
    remarks = [f"a container of compose: {start}"]
    if published:
        others = ", ".join(str(port.target) for port in published[1:])
        lost = (f"port {others} of the container has no place: a service has one",) if others else ()
        if service.said.get("build"):
            remarks.append("to run it here: `run` and `cwd` instead of `address`")
    else:
        lost = (f'it publishes no port: add `ports: ["127.0.0.1:{inside}:{inside}"]` to it in the compose file',)
    return Entry(
        name,
        address=published[0].published if published else f"127.0.0.1:{inside}",
        container=service.name,
        needs=_needs(service.said.get("depends_on"), names),
        ready=_container_probe(service, published[0]) if published else {},
        http=plain_port(text(service.said.get("image"))) is None,
        remarks=tuple(remarks),
        lost=lost,
    )


def _unpublished(service: _Service) -> list[int]:
    """The ports that a container would have if it published them, the likeliest first."""
    known = plain_port(text(service.said.get("image")))
    return ([known] if known else []) + [port.target for port in service.ports]


def _container_probe(service: _Service, port: Port) -> Mapping[str, Value]:
    found = check(service.said.get("healthcheck"))
    return {"http": found.path} if found and found.path and found.port == str(port.target) else {}


def _program(service: _Service, name: str, names: Mapping[str, str], peers: Mapping[str, Peer]) -> Entry:
    said = service.said
    listens = _listens(service)
    port = _fixed_port(service) if listens else None
    env = environment(said.get("environment"), service.tell)
    env.pop("PORT", None)
    hosts = Hosts(name, peers, service.tell)
    env = hosts.rewritten(env)
    for key in _NOT_CARRIED:
        if said.get(key) and said.get("build") and not (key == "volumes" and _only_sources(said[key])):
            service.tell(_why_not(key, said[key]))
    built = bool(said.get("build"))
    entry = Entry(
        name,
        run=service.command,
        task=service.completes,
        cwd=plain(_context(said)) if built else "",
        needs=_needs(said.get("depends_on"), names),
        port=port,
        listens=listens,
        stop=_stop(service),
        remarks=() if built else ("in its container",),
    )
    if not built:
        return entry
    targets = tuple(port.target for port in service.ports)
    return replace(
        entry,
        env=env,
        env_files=env_files(said.get("env_file"), service.folder, service.tell),
        calls=tuple(dict.fromkeys(hosts.called)),
        ready={} if service.completes or not listens else ready(said.get("healthcheck"), port, targets),
        restart=_restart(said),
        replicas=_replicas(service, port),
    )


def _why_not(key: str, value: object) -> str:
    match key:
        case "extends":
            return "`extends` is not followed: what it inherits is missing here"
        case "profiles":
            return f"profiles ({', '.join(texts(value))}): it is started always"
        case "volumes":
            return "volumes are the container's: what they hold is not there"
        case _:
            return f"`{key}` is the container's"


def _only_sources(volumes: object) -> bool:
    """Whether the volumes only show the container what is here anyway, or hide it."""
    return all(text(volume).startswith((".", "/")) for volume in items(volumes))


def _context(said: Mapping[str, object]) -> str:
    """The folder of the sources, "" for the one of the file; it need not be there, or be a folder at all."""
    build = said.get("build")
    context = text(mapping(build).get("context")) if isinstance(build, dict) else text(build)
    context = context.removeprefix("./").rstrip("/")
    return "" if context == "." else context


def _needs(written: object, names: Mapping[str, str]) -> dict[str, str]:
    if isinstance(written, list):
        return {names.get(name, name): "" for name in texts(written)}
    return {
        names.get(name, name): _CONDITIONS.get(text(mapping(how).get("condition")), "")
        for name, how in mapping(written).items()
    }


def _restart(said: Mapping[str, object]) -> Mapping[str, Value]:
    deploy = mapping(mapping(said.get("deploy")).get("restart_policy"))
    policy, _, most = text(said.get("restart")).partition(":")
    if not policy and deploy:
        policy = {"none": "no", "any": "always"}.get(text(deploy.get("condition")), "on-failure")
        most = text(deploy.get("max_attempts"))
    found: dict[str, Value] = {"policy": _RESTARTS[policy]} if policy in _RESTARTS else {}
    limit = number(most)
    if found and limit is not None and limit <= 1_000_000:
        found["max"] = limit
    return found


def _stop(service: _Service) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    name = text(service.said.get("stop_signal"))
    if name:
        try:
            found["signal"] = stop_signal(name.upper().removeprefix("SIG"))
        except TextError:
            service.tell(f"stop_signal `{name}` is not known")
    grace = seconds(text(service.said.get("stop_grace_period")))
    if grace is not None:
        found["within"] = written(grace)
    return found


def _replicas(service: _Service, port: int | None) -> int:
    deploy = mapping(service.said.get("deploy"))
    wanted = number(service.said.get("scale")) or number(deploy.get("replicas")) or 1
    if wanted > 1 and port:
        service.tell(f"{wanted} replicas cannot all listen on port {port}: let it listen on $PORT, and add `replicas`")
        return 1
    return min(wanted, 100)
