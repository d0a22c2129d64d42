"""What a starting, running and stopping mesh reports, as lines for the terminal of `minimesh up`."""

from typing import NamedTuple, TypeAlias

from minimesh import __version__
from minimesh.cli.display import Display
from minimesh.cli.errors import coloured, of_problem
from minimesh.cli.prefix import Prefixes
from minimesh.cli.project import summary
from minimesh.cli.terminal import Terminal
from minimesh.cli.text import elapsed, escape, lasting, local_stamp, plural, service_output
from minimesh.control.report import (
    ConfigOk,
    Event,
    IdentityOk,
    LogLine,
    Note,
    Problem,
    Ready,
    Refused,
    ServiceEvent,
    Stopped,
    Stopping,
    Trouble,
    Upgraded,
)
from minimesh.model.clock import Clock
from minimesh.model.project import Project
from minimesh.model.several import several

UP = frozenset({"ready", "running", "completed"})
ON_THE_WAY = frozenset({"pending", "waiting", "starting"})
MOVING = frozenset({"starting", "running"})
DOWN = frozenset({"backoff", "crash-loop", "exited", "failed"})


_Replica: TypeAlias = tuple[str, int]


class Style(NamedTuple):
    """What of a run is shown. `bare`: output of services without their names; `stamps`: with times.

    only: whose output (none: of all); hidden: whose not. What happens to services is told of all. `file`: there is
    a minimesh.toml to be named.
    """

    bare: bool = False
    stamps: bool = False
    quiet: bool = False
    only: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    file: bool = True

    def shows(self, service: str) -> bool:
        return service not in self.hidden and (not self.only or service in self.only)


class Watch:
    """A `minimesh.control.report.Reporter`: progress on `err`, output of services on `out`.

    `problem`: why the mesh could not run, for whoever tells errors. `left`: processes that could not be ended.
    """

    def __init__(self, out: Terminal, err: Terminal, clock: Clock, style: Style) -> None:
        self.problem: Problem | None = None
        self.left = 0
        self._out = out
        self._err = err
        self._clock = clock
        self._style = style
        self._display = Display(out, err)
        self._prefixes = Prefixes({})
        self._tasks: frozenset[str] = frozenset()
        self._since: dict[_Replica, float] = {}
        self._state: dict[_Replica, str] = {}
        self._up: set[_Replica] = set()
        self._stopping = False

    def __call__(self, event: Event, /) -> None:
        match event:
            case ConfigOk():
                self._config(event)
            case IdentityOk():
                self._identity(event)
            case Note():
                self._say(*self._err.fitting(f"note: {escape(event.message)}"))
            case ServiceEvent():
                self._service(event)
            case LogLine() if event.stream != "mesh":  # what the mesh says of a service is a ServiceEvent too
                if self._style.shows(event.service):
                    self._log(event)
            case Ready():
                self._ready(event)
            case Upgraded():
                self._upgraded(event)
            case Stopping():
                self._begin_to_stop(event)
            case Stopped():
                self._stopped(event)
            case Trouble():
                self._display.line(coloured(of_problem(event.problem).told().text, self._err))
            case Refused():
                for mistake in event.mistakes:
                    self._display.line(coloured(mistake, self._err))
            case Problem():
                self.problem = event
            case _:
                pass

    def _config(self, event: ConfigOk) -> None:
        project = event.project
        self._tasks = frozenset(project.tasks)
        self._prefixes = prefixes(project)
        self._display.align(self._prefixes.names())
        if event.again:
            return
        paint = self._err.paint
        file = f"   {escape(project.file.name)}" if self._style.file else ""
        self._say(f"minimesh {__version__}   project {paint(escape(project.name), 'bold')}{file}")
        if not self._style.quiet:
            self._display.settle("ok", "config", [summary(project)], elapsed(event.seconds))

    def _identity(self, event: IdentityOk) -> None:
        if not self._style.quiet:
            made = ["new CA in .minimesh"] if event.root_made else []
            what = f"{plural(event.certificates, 'certificate')}, {lasting(event.ttl)}"
            self._display.settle("ok", "identity", [*made, what], elapsed(event.seconds))

    def _service(self, event: ServiceEvent) -> None:
        replica, name = (event.service, event.replica), self._prefixes.name(event.service, event.replica)
        before = self._state.get(replica)
        self._state[replica] = event.kind
        if self._style.quiet:
            return
        self._display.align([name])
        if event.kind == "stopping":
            self._display.wait(name, _with_pid(event.message, event), event.seconds)
        elif self._stopping:
            self._display.forget(name)
        elif event.kind in ON_THE_WAY or (event.kind == "running" and event.service in self._tasks):
            self._up.discard(replica)
            if before not in MOVING:
                self._since[replica] = event.seconds
            self._display.wait(name, event.message.rstrip(": "), event.seconds)
        elif event.kind in UP and replica not in self._up:
            self._up.add(replica)
            began = self._since.pop(replica, None)
            took = "" if began is None else elapsed(event.seconds - began)
            pid = None if event.pid is None else f"pid {event.pid}"
            self._display.settle("ok", name, [part for part in (event.message, event.listen, pid) if part], took)
        elif event.kind == before == "running":
            self._display.settle("!!", name, [event.message])
        elif event.kind in DOWN or (event.kind == "stopped" and before != "stopped"):
            self._up.discard(replica)
            known = event.kind in event.message
            mark = "--" if event.kind == "stopped" or event.message == "exit 0" else "!!"
            self._display.settle(mark, name, [event.message if known else f"{event.kind}: {event.message}"])

    def _log(self, event: LogLine) -> None:
        stamp = f"{local_stamp(self._clock.wall())} " if self._style.stamps else ""
        prefix = "" if self._style.bare else self._prefixes.of(self._out, event.service, event.replica)
        self._display.output(f"{prefix}{stamp}{service_output(event.line, self._out.colour)}")

    def _ready(self, event: Ready) -> None:
        self._display.drop()
        failed = f" without {escape(several(event.failed))}" if event.failed else ""
        url = event.url or "no gateway"
        lines = self._err.fitting(f"ready in {elapsed(event.seconds)}{failed}   {url}")
        self._say(*(line.replace(url, self._err.paint(url, "bold")) for line in lines))
        self._say(*self._err.fitting("stop: Ctrl-C   in another terminal: minimesh ps, stat, tap, logs"))

    def lose(self) -> None:
        """Somebody else has written on the screen."""
        self._display.lose()

    def _upgraded(self, event: Upgraded) -> None:
        cut = f", {plural(event.cut, 'request')} cut" if event.cut else ""
        untouched = f"{plural(event.services, 'service')} untouched"
        arrow = "→" if self._err.ellipsis == "…" else "->"
        self._say(f"upgraded {event.before} {arrow} {event.version} in {elapsed(event.seconds)}: {untouched}{cut}")

    def _begin_to_stop(self, event: Stopping) -> None:
        self._stopping = True
        self._display.drop()
        what = f"stopping {escape(several(event.services))}" if event.services else "stopping: no service runs"
        self._say(*self._err.fitting(f"{what} (Ctrl-C again kills)"))

    def _stopped(self, event: Stopped) -> None:
        self.left = event.left
        self._display.drop()
        cut = f", {plural(event.cut, 'request')} cut" if event.cut else ""
        left = "1 process" if event.left == 1 else f"{event.left} processes"
        self._say(f"stopped {event.services} in {elapsed(event.seconds)}, {left} left{cut}")

    def _say(self, *lines: str) -> None:
        if not self._style.quiet:
            for line in lines:
                self._display.line(line)


def _with_pid(text: str, event: ServiceEvent) -> str:
    return text if event.pid is None else f"{text}   pid {event.pid}"


def prefixes(project: Project) -> Prefixes:
    """For the log lines of a project."""
    replicas = {name: service.replicas for name, service in project.services.items() if service.process}
    return Prefixes(replicas | dict.fromkeys(project.tasks, 1))
