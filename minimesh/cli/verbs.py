"""The commands there are, and the file of each group. Reading this loads none of them."""

from collections.abc import Sequence
from typing import NamedTuple


class Verb(NamedTuple):
    """`module`: below minimesh.cli; its COMMANDS holds the command."""

    module: str
    summary: str


GROUPS: dict[str, dict[str, Verb]] = {
    "project": {
        "init": Verb("init", "write a minimesh.toml to start from"),
        "validate": Verb("check", "read minimesh.toml and tell every mistake in it"),
        "config": Verb("configuration", "the configuration in force, each value with its line"),
        "explain": Verb("explain", "what a key, an error code or a reason means"),
    },
    "life": {
        "up": Verb("up", "start the services and carry their traffic"),
        "down": Verb("life", "stop everything"),
        "start": Verb("life", "start services that are stopped"),
        "stop": Verb("life", "stop services, and leave the rest running"),
        "restart": Verb("life", "stop services and start them again"),
        "scale": Verb("reload", "how many replicas a service has"),
        "reload": Verb("reload", "read minimesh.toml again and apply what differs"),
        "wait": Verb("life", "wait until services are ready"),
        "upgrade": Verb("upgrade", "replace the running mesh's program, and keep what runs"),
        "exec": Verb("process", "run a program as a service: its identity, addresses and folder"),
        "recover": Verb("recover", "go on after a loss: a damaged state file, a lost key"),
        "run": Verb("runner", "run a task now; or any program behind a gateway, with no file"),
    },
    "look": {
        "ui": Verb("ui", "live screens of services and logs"),
        "ps": Verb("ps", "what runs, and why not"),
        "logs": Verb("logs", "what services wrote"),
        "events": Verb("happened", "what happened to services"),
        "port": Verb("ports", "what a service listens on, and where it is reached"),
        "check": Verb("doctor", "what is well, what may go wrong and what has"),
        "open": Verb("browser", "the URL of the gateway or of a service"),
        "env": Verb("env", "the variables that the mesh gives a service"),
        "describe": Verb("describe", "what holds for a service, and which line says so"),
    },
    "traffic": {
        "stat": Verb("stat", "success, rate and latency of each service"),
        "edges": Verb("stat", "who calls whom"),
        "top": Verb("top", "the busiest and slowest paths, live"),
        "graph": Verb("graph", "who may call whom, as text, Mermaid or Graphviz"),
        "routes": Verb("routes", "the routes of the gateway, in order"),
        "route": Verb("routes", "which route a request takes, and why"),
        "call": Verb("call", "one request to a service, as another"),
        "tap": Verb("tap", "each request as it finishes"),
    },
    "trust": {
        "key": Verb("key", "keys for programs that call from outside"),
        "token": Verb("token", "a signed token for development"),
        "authz": Verb("authz", "who may call whom, by which line; and which rules the traffic needs"),
    },
    "other": {
        "bug-report": Verb("bugreport", "collect what somebody else needs to understand what happened"),
        "completion": Verb("completion", "completion for bash, zsh or fish"),
        "version": Verb("check", "which minimesh this is"),
    },
}

VERBS: dict[str, Verb] = {name: verb for group in GROUPS.values() for name, verb in group.items()}


def overview(common: Sequence[tuple[tuple[str, ...], str, str]]) -> str:
    """The text of `minimesh --help`, from the flags, value name and meaning of each common option."""
    lines = ["usage: minimesh [OPTIONS] COMMAND ...", "", "A service mesh in one process, for a project folder."]
    for group, verbs in GROUPS.items():
        lines += ["", f"{group}:", *(f"  {name:<12}{verb.summary}" for name, verb in verbs.items())]
    lines += ["", "options, before or after the command:"]
    for flags, value, meaning in common:
        lines.append(f"  {' '.join((', '.join(flags), value)).rstrip():<22}{meaning}")
    lines += [
        "",
        "exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 no mesh running here,",
        "  4 timed out, 130 Ctrl-C",
        "examples:",
        "  minimesh init && minimesh up",
        "      from nothing to a running mesh",
        "  minimesh stat -t 10s -w",
        "      the last ten seconds of every service, again and again",
    ]
    return "\n".join(lines) + "\n"
