"""process-compose.yaml: programs of this machine, with their order and their probes."""

import re
import signal
from collections.abc import Mapping
from pathlib import Path

from minimesh.integrations.draft import Draft, Entry, Value
from minimesh.integrations.durations import written
from minimesh.integrations.environment import env_files, environment
from minimesh.integrations.listening import PORT, listening
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import mapping, number, read_yaml, text
from minimesh.integrations.variables import in_shell, plain
from minimesh.spec.files import is_folder, is_plain_file
from minimesh.spec.paths import target
from minimesh.spec.text_error import TextError

FILES = ("process-compose.yaml", "process-compose.yml")

_CONDITIONS = {
    "process_healthy": "ready",
    "process_log_ready": "ready",
    "process_started": "started",
    "process_completed": "completed",
    "process_completed_successfully": "completed",
}
_RESTARTS = {"no": "no", "always": "always", "on_failure": "on-failure", "exit_on_failure": "no"}
_NOT_CARRIED = {
    "is_daemon": "`is_daemon`: minimesh watches programs that stay in the foreground",
    "liveness_probe": "`liveness_probe`: only readiness is probed",
    "is_tty": "`is_tty`: it gets no terminal",
    "is_foreground": "`is_foreground`: it gets no terminal",
    "is_elevated": "`is_elevated`: it runs as you",
    "log_location": "`log_location`: `minimesh logs` has what it writes",
    "entrypoint": "`entrypoint` is not carried over",
    "schedule": "`schedule`: it is started once, at `up`",
    "vars": "`vars` are not filled in",
}


def process_compose(file: Path) -> Draft:
    """What a process-compose file says. Raises MalformedError and OSError."""
    document = read_yaml(file)
    processes = {name: mapping(said) for name, said in mapping(document.get("processes")).items() if name}
    names = fit(processes)
    tasks = {
        name
        for said in processes.values()
        for name, how in mapping(said.get("depends_on")).items()
        if _CONDITIONS.get(text(mapping(how).get("condition"))) == "completed"
    }
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for name, said in processes.items():
        if text(said.get("disabled")) == "true":
            left_out[names[name]] = "it is `disabled`"
        elif not text(said.get("command")).strip():
            left_out[names[name]] = "it has no `command`"
        else:
            entries.append(_Process(name, said, document, file.parent).entry(names, name in tasks))
    lost = [f"`{key}` is not carried over" for key in ("extends", "env_cmds", "vars") if document.get(key)]
    lost += ["`shell` is not carried over: commands are run by sh"] if document.get("shell") else []
    return Draft(file.name, tuple(entries), left_out, tuple(lost))


class _Process:
    """One process of the file, and what is lost of it."""

    def __init__(self, name: str, said: Mapping[str, object], document: Mapping[str, object], folder: Path) -> None:
        self.name = name
        self.said = said
        self.document = document
        self.folder = folder
        self.lost: list[str] = []

    def tell(self, text: str) -> None:
        if text not in self.lost:
            self.lost.append(text)

    def entry(self, names: Mapping[str, str], task: bool) -> Entry:
        said = self.said
        command = in_shell(text(said.get("command")).strip())
        env = environment(self.document.get("environment"), self.tell) | environment(said.get("environment"), self.tell)
        probe = mapping(mapping(said.get("readiness_probe")).get("http_get"))
        port = self._port(command, "PORT" in env, number(probe.get("port")))
        env.pop("PORT", None)
        if "{{" in command:
            self.tell("`{{…}}` in its command is not filled in")
        for key, why in _NOT_CARRIED.items():
            if said.get(key) and text(said[key]) != "false":
                self.tell(why)
        namespace = text(said.get("namespace"))
        if namespace and namespace != "default":
            self.tell(f"namespace `{namespace}`: name its services to start them alone, `minimesh up SERVICE…`")
        replicas = min(number(said.get("replicas")) or 1, 100)
        if replicas > 1 and port:
            self.tell(f"{replicas} replicas cannot all listen on port {port}: let it listen on $PORT")
            replicas = 1
        dotenv = (".env",) if is_plain_file(self.folder / ".env") else ()
        description = " ".join(text(said.get("description")).split())
        return Entry(
            names[self.name],
            run=command,
            task=task,
            cwd=self._folder(),
            env=env,
            env_files=(*dotenv, *env_files(said.get("env_file"), self.folder, self.tell)),
            needs=self._needs(names),
            port=port or None,
            listens=port is not None and not task,
            ready={} if task else self._ready(probe),
            restart=self._restart(),
            stop=self._stop(),
            replicas=1 if task else replicas,
            remarks=(description,) if description else (),
            lost=(*renamed(self.name, names[self.name]), *self.lost),
        )

    def _port(self, command: str, is_told: bool, probed: int | None) -> int | None:
        """A written port, PORT for $PORT, None for a program that does not listen as far as can be seen."""
        port = listening(command)
        if is_told and not (port and str(port) in command):
            port = PORT
        if not probed or probed > 65535 or port == PORT or (port and str(port) in command):
            return port
        return probed

    def _folder(self) -> str:
        folder = text(self.said.get("working_dir")).removeprefix("./").rstrip("/")
        if folder in ("", "."):
            return ""
        if "$" in folder or not is_folder(self.folder / folder):
            self.tell(f"working_dir `{folder}` is not there")
            return ""
        return plain(folder)

    def _needs(self, names: Mapping[str, str]) -> dict[str, str]:
        needs = {
            name: text(mapping(how).get("condition")) for name, how in mapping(self.said.get("depends_on")).items()
        }
        return {names.get(name, name): _CONDITIONS.get(condition, "started") for name, condition in needs.items()}

    def _ready(self, http: Mapping[str, object]) -> Mapping[str, Value]:
        probe = mapping(self.said.get("readiness_probe"))
        line = text(self.said.get("ready_log_line"))
        command = text(mapping(probe.get("exec")).get("command")).strip()
        times: dict[str, Value] = {}
        every, timeout = number(probe.get("period_seconds")), number(probe.get("timeout_seconds"))
        patience = (number(probe.get("initial_delay_seconds")) or 0) + (every or 10) * (
            number(probe.get("failure_threshold")) or 3
        )
        if timeout and timeout > 1:
            times["timeout"] = written(timeout)
        if 30 < patience < 86_400:
            times["within"] = written(patience)
        if http:
            return {"http": self._path(text(http.get("path"))), **times}
        if command:
            return {"exec": in_shell(command), **times}
        return {"log": plain(re.sub(r"[][.^$*+?{}()|\\]", r"\\\g<0>", line))} if line else {}

    def _path(self, path: str) -> str:
        try:
            return target(path or "/")
        except TextError:
            self.tell(f"readiness_probe: `{path}` is not a path; GET / it is")
            return "/"

    def _restart(self) -> Mapping[str, Value]:
        told = mapping(self.said.get("availability"))
        policy = text(told.get("restart")).replace("-", "_")
        if policy == "exit_on_failure" or text(told.get("exit_on_end")) == "true":
            self.tell("the end of this process does not end the others")
        found: dict[str, Value] = {"policy": _RESTARTS[policy]} if policy in _RESTARTS else {}
        pause, most = number(told.get("backoff_seconds")), number(told.get("max_restarts"))
        if found.get("policy") in ("always", "on-failure"):
            if pause:
                found["backoff"] = f"{written(pause)}..{written(max(pause, 30))}"
            if most and most <= 1_000_000:
                found["max"] = most
            elif most == 0:
                self.tell("max_restarts 0 is without an end there; here it ends after 10 failures in a row")
        return found

    def _stop(self) -> Mapping[str, Value]:
        told = mapping(self.said.get("shutdown"))
        found: dict[str, Value] = {}
        wanted = number(told.get("signal"))
        if text(told.get("command")):
            self.tell("shutdown: its command is not run, a signal is sent")
        if wanted:
            try:
                found["signal"] = signal.Signals(wanted).name.removeprefix("SIG")
            except ValueError:
                self.tell(f"shutdown: there is no signal {wanted}")
        within = number(told.get("timeout_seconds"))
        if within:
            found["within"] = written(within)
        return found
