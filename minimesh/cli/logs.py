"""`minimesh logs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.known import check_known
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.prefix import Prefixes
from minimesh.cli.sieve import Sieve, pattern
from minimesh.cli.text import local_time, plural, service_output
from minimesh.cli.values import choice, lines, moment

if TYPE_CHECKING:
    from minimesh.control.client import Parameters
    from minimesh.control.history import Past, Span
    from minimesh.control.views import LogView, ServiceView, WrittenView

DEFAULT_TAIL = 100
REMEMBERED = 1_000
"""Lines of a service that a running mesh has in memory; for more of them the files are read."""

MOST_REMEMBERED = 100_000
"""As many lines as a mesh can be asked for: all that it has."""


def logs(
    context: Context,
    *,
    svc: tuple[str, ...] = (),
    follow: bool = False,
    tail: int | None = None,
    timestamps: bool = False,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    level: str | None = None,
    no_log_prefix: bool = False,
) -> int:
    """Lines of the services. `tail`: so many of the latest, -1 all, None as is usual. Times are RFC 3339."""
    if follow and until is not None:
        raise usage("--until does not go with -f: it would never come to an end that has passed")
    sieve = Sieve(pattern(grep) if grep is not None else None, level)
    if tail is None:
        tail = -1 if since or until else DEFAULT_TAIL
    services = _running(context)
    folder = context.root() / ".minimesh" / "logs"
    plain = grep is None and level is None and since is None and until is None and 0 <= tail <= REMEMBERED
    if services is None:
        replicas = _remembered(context, folder, svc)
        if follow:
            context.note("no mesh is running here, so nothing will follow")
    else:
        check_known(svc, [service["name"] for service in services])
        replicas = {service["name"]: service["replicas"] for service in services if not svc or service["name"] in svc}
    names = list(replicas)
    show = _Shown(context, Prefixes(replicas), timestamps=timestamps, bare=no_log_prefix, live=follow)
    if services is not None and plain:
        show(context.stream("/v1/logs", {"service": list(svc), "tail": tail, "follow": int(follow)}))
        if follow:
            say_why_it_ended(context)
        return Exit.OK
    seam = _written_until(context) if services is not None else None
    show(map(_view, _past(folder, names, tail, sieve, since, until or seam)))
    if follow and seam is not None:
        seam = _catch_up(context, folder, names, sieve, show, seam, since)
        begin = max(seam, _comparable(since))
        parameters: Parameters = {"service": list(svc), "since": begin, "tail": MOST_REMEMBERED, "follow": 1}
        show(sieve.views(context.stream("/v1/logs", parameters)))
        say_why_it_ended(context)
    return Exit.OK


def _written_until(context: Context) -> str:
    """Asks the mesh to write what it has; what is older than the answer is in the files."""
    written: WrittenView = context.client().post("/v1/logs/write")
    if not written["written"]:
        context.note("(the disk does not keep up: the latest lines are not in the files yet)")
    return _comparable(written["until"])


def _catch_up(
    context: Context, folder: Path, names: list[str], sieve: Sieve, show: _Shown, seam: str, since: str | None
) -> str:
    """What came while the files were read, which may be more than the mesh remembers; returns where that ends."""
    from minimesh.control.history import MOST, Span, last  # noqa: PLC0415 - only where files are read

    end = _written_until(context)
    missed = last(folder, names, MOST, Span(max(seam, _comparable(since)), end), lambda past: True)
    show(sieve.views(map(_view, missed)))
    return end


def _running(context: Context) -> list[ServiceView] | None:
    """The services of the running mesh; None where none runs but an earlier one has left its logs."""
    from minimesh.control.client import NotRunningError  # noqa: PLC0415 - the client costs 60 ms

    try:
        return cast("list[ServiceView]", context.get("/v1/services"))
    except NotRunningError:
        if not (context.root() / ".minimesh" / "logs").is_dir():
            raise
        return None


def _remembered(context: Context, folder: Path, svc: tuple[str, ...]) -> dict[str, int]:
    from minimesh.control.history import services  # noqa: PLC0415 - only where files are read

    found = services(folder)
    check_known(svc, found, "there is no log of", "logs of")
    context.note("no mesh is running here: these are the logs that the last one left")
    return {name: 1 for name in found if not svc or name in svc}


def _past(
    folder: Path, names: list[str], tail: int, sieve: Sieve, since: str | None, until: str | None
) -> Iterable[Past]:
    from minimesh.control.history import Span, last, read  # noqa: PLC0415 - only where files are read

    def passes(past: Past) -> bool:
        return sieve.passes(past.service, past.replica, past.stream, past.line)

    span: Span = Span(_comparable(since), _comparable(until))
    if tail < 0:
        return filter(passes, read(folder, names, span))
    if not sieve.looks_back:
        return last(folder, names, tail, span, passes)
    from collections import deque  # noqa: PLC0415

    return deque(filter(passes, read(folder, names, span)), maxlen=tail)


def _comparable(stamp: str | None) -> str:
    """As in the files: with exactly three digits of a second."""
    if stamp is None:
        return ""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:3]:0<3}Z"


def _view(past: Past) -> dict[str, Any]:
    return past._asdict()


class _Shown:
    """Writes lines as they come."""

    def __init__(self, context: Context, prefixes: Prefixes, *, timestamps: bool, bare: bool, live: bool) -> None:
        self._context = context
        self._prefixes = prefixes
        self._timestamps = timestamps
        self._bare = bare
        self._live = live

    def __call__(self, items: Iterable[dict[str, Any]]) -> None:
        out = self._context.out
        for item in items:
            if self._context.json:
                self._context.object(item)
            elif "dropped" in item:
                self._context.note(f"({plural(item['dropped'], 'line')} left out: more than 1,000 a second)")
            else:
                entry = cast("LogView", item)
                time = f"{local_time(entry['time'])} " if self._timestamps else ""
                prefix = "" if self._bare else self._prefixes.of(out, entry["service"], entry["replica"])
                out.line(f"{prefix}{time}{service_output(entry['line'], out.colour)}")
                if self._live:
                    out.flush()


def say_why_it_ended(context: Context) -> None:
    """That nothing follows any more, where something was to."""
    from minimesh.control.client import NotRunningError  # noqa: PLC0415

    try:
        goes_on = context.get("/v1/mesh")["state"] != "stopping"
    except NotRunningError:
        goes_on = False
    context.note("the mesh closed this view, and goes on" if goes_on else "the mesh has stopped")


COMMANDS: dict[str, Command] = {
    "logs": Command(
        logs,
        "What services wrote on stdout and stderr, and what the mesh says about them, also after its end.\n"
        "Looks as far back as the files do: .minimesh/logs/SERVICE.log.",
        (
            ("minimesh logs -f web orders", "two services, as they write"),
            ("minimesh logs --since 1h --level error", "what went wrong in the last hour, with its stack traces"),
        ),
        (Argument("SVC", "only these services; default all", many=True),),
        (
            Option(("-f", "--follow"), "go on with what comes, until Ctrl-C"),
            Option(
                ("-n", "--tail"),
                "only so many of the latest lines, or all; default 100, with --since or --until all",
                "N",
                lines,
            ),
            Option(("-t", "--timestamps"), "the time before each line"),
            Option(("--since",), "only from then on: 10m (ago), or 2026-01-31T12:00:00Z", "TIME", moment),
            Option(("--until",), "only what was before: 10m (ago), or 2026-01-31T12:00:00Z", "TIME", moment),
            Option(("--grep",), "only lines in which this (Python) regular expression is found", "RE"),
            Option(
                ("--level",),
                "only what is at least so bad: error, warn, info or debug. A line that says nothing of it "
                "belongs to the one before",
                "LEVEL",
                choice("error", "warn", "info", "debug"),
            ),
            Option(("--no-log-prefix",), "lines without the service's name"),
        ),
        outputs=("table", "json"),
    ),
}
