"""compose.yaml: what is built and has a command runs here; all other containers stay compose's, with an address."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from minimesh.integrations.composehealth import check, ready
from minimesh.integrations.composeports import Port
from minimesh.integrations.composeservice import ComposeService, context, services_of
from minimesh.integrations.dockerfile import command_of
from minimesh.integrations.draft import Draft, Entry, Value
from minimesh.integrations.durations import seconds, written
from minimesh.integrations.environment import env_files, environment
from minimesh.integrations.hosts import Hosts, Peer
from minimesh.integrations.images import speaks_http
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import items, mapping, number, read_yaml, text, texts
from minimesh.integrations.variables import in_dotenv, plain
from minimesh.spec.files import is_folder, is_there
from minimesh.spec.kinds import quote
from minimesh.spec.names import fitting
from minimesh.spec.process import stop_signal
from minimesh.spec.text_error import TextError

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
OVERRIDES = tuple(name.replace("compose.y", "compose.override.y") for name in FILES)

_CONDITIONS = {"service_healthy": "ready", "service_started": "started", "service_completed_successfully": "completed"}
_RESTARTS = {"no": "no", "false": "no", "always": "always", "unless-stopped": "always", "on-failure": "on-failure"}
_NOT_CARRIED = (
    *("volumes", "secrets", "configs", "devices", "cap_add", "privileged", "user", "extends", "labels", "develop"),
    *("mem_limit", "cpus", "ulimits", "sysctls", "links", "extra_hosts", "network_mode"),
)


def compose(file: Path) -> Draft:
    """What a compose file says. Raises MalformedError and OSError."""
    document = read_yaml(file)
    services = services_of(document, file.parent)
    names = fit(service.name for service in services)
    peers = {service.name: service.peer(names[service.name]) for service in services}
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
        about.append("what has `build` and `command` runs here, not in its container")
    elif len(entries) > 1:
        about.append("calls between containers stay in their own network, unseen by the mesh")
    if here and any(entry.address and not entry.http for entry in entries):
        about.append("what speaks no HTTP is called on its own port, past the mesh")
    return about


def _entry(service: ComposeService, names: Mapping[str, str], peers: Mapping[str, Peer]) -> Entry | str:
    """The entry, or why there is none."""
    name = names[service.name]
    entry = _program(service, name, names, peers) if service.command else _container(service, name, names)
    if isinstance(entry, str):
        return entry
    return replace(entry, lost=(*renamed(service.name, name), *service.lost, *entry.lost))


def _container(service: ComposeService, name: str, names: Mapping[str, str]) -> Entry | str:
    """An address where the container is, or would be if it published its port."""
    at = service.container_port
    if at is None:
        return "it publishes no port, and has no `build` with a `command` to run here"
    remarks = [f"a container of compose: docker compose up -d {shlex.quote(service.name)}"]
    others = [str(port.target) for port in service.ports if port.published and port != at]
    lost = (f"port {', '.join(others)} of the container is left out: a service has one",) if others else ()
    if not service.publishes:
        ports = f'["{at.published}:{at.target}"]'
        lost = (f"it publishes no port: give it `ports: {ports}` in the compose file",)
    elif service.said.get("build"):
        remarks += _to_run_here(service)
    return Entry(
        name,
        address=at.published,
        container=service.name,
        needs=_needs(service.said.get("depends_on"), names),
        ready=_container_probe(service, at),
        http=speaks_http(service.image, at.target),
        profiles=_profiles(service),
        remarks=tuple(remarks),
        lost=lost,
    )


def _to_run_here(service: ComposeService) -> list[str]:
    """How it would be run without its container, as far as its Dockerfile says."""
    folder = context(service.said)
    if not is_folder(service.folder / folder):
        return []
    command = command_of(service.folder / folder, service.said.get("build"))
    words = [f"run = {quote(command or '…')}", *([f"cwd = {quote(folder)}"] if folder else [])]
    return [f"to run it here, instead of address: {', '.join(words)}"]


def _container_probe(service: ComposeService, port: Port) -> Mapping[str, Value]:
    found = check(service.said.get("healthcheck"))
    return {"http": found.path} if found and found.path and found.port == str(port.target) else {}


def _program(service: ComposeService, name: str, names: Mapping[str, str], peers: Mapping[str, Peer]) -> Entry:
    said = service.said
    entry = Entry(
        name,
        run=service.command,
        task=service.completes,
        needs=_needs(said.get("depends_on"), names),
        stop=_stop(service),
        remarks=() if service.here else ("in its container",),
    )
    if not service.here:
        return entry
    for key in _NOT_CARRIED:
        if said.get(key) and not (key == "volumes" and _only_sources(said[key])):
            service.tell(_why_not(key))
    port = service.fixed_port if service.listens else None
    if port and port < 1024:
        service.tell(f"port {port} may need root here, which it does not in a container")
    targets = tuple(port.target for port in service.ports)
    hosts = Hosts(name, peers, service.tell)
    env = hosts.rewritten(_env(service))
    return replace(
        entry,
        cwd=plain(context(said)),
        env=env,
        env_files=env_files(said.get("env_file"), service.folder, service.tell),
        calls=tuple(dict.fromkeys(hosts.called)),
        port=port,
        listens=service.listens,
        ready=ready(said.get("healthcheck"), port, targets) if service.listens else {},
        restart=_restart(said),
        replicas=_replicas(service, port),
        profiles=_profiles(service),
    )


def _env(service: ComposeService) -> dict[str, str]:
    """Its environment, with what its command takes from .env; $PORT is the mesh's."""
    env = environment(service.said.get("environment"), service.tell)
    for name in in_dotenv(service.line, service.folder):
        env.setdefault(name, f"${{{name}:-}}")
    env.pop("PORT", None)
    return env


def _why_not(key: str) -> str:
    match key:
        case "extends":
            return "`extends` is not followed: what it inherits is missing here"
        case "volumes":
            return "volumes are the container's: what they hold is not there"
        case _:
            return f"`{key}` is the container's"


def _only_sources(volumes: object) -> bool:
    """Whether the volumes only show the container what is here anyway, or hide it."""
    return all(text(volume).startswith((".", "/")) for volume in items(volumes))


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


def _profiles(service: ComposeService) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(fitting, texts(service.said.get("profiles")))))


def _stop(service: ComposeService) -> Mapping[str, Value]:
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


def _replicas(service: ComposeService, port: int | None) -> int:
    deploy = mapping(service.said.get("deploy"))
    wanted = number(service.said.get("scale")) or number(deploy.get("replicas")) or 1
    if wanted > 1 and port:
        service.tell(f"{wanted} replicas cannot all listen on port {port}: let it listen on $PORT, and add `replicas`")
        return 1
    return min(wanted, 100)
