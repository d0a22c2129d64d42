"""`minimesh routes` and `minimesh route`: what the gateway does with a request, with and without a running mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.project import load
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, count, elapsed, escape
from minimesh.cli.values import header

if TYPE_CHECKING:
    from minimesh.control.views import DecisionView, RouteView

COLUMNS = (
    Column("ORDER", right=True, drop=4),
    Column("HOST"),
    Column("PATH", shrink=12),
    Column("TO"),
    Column("TIMEOUT", right=True, drop=3),
    Column("REQUESTS", right=True, drop=2),
    Column("STRIP_PREFIX", wide=True),
    Column("WHERE", drop=1),
)


def routes(context: Context) -> int:
    """A row for each route, the first that matches is taken. Without a mesh: those of the file."""
    views = cast("list[RouteView] | None", _ask(context, "/v1/routes", {}))
    if views is None:
        views = _of_the_file(context)
    if context.json:
        context.array(views)
    elif context.output == "name":
        context.names([view["name"] for view in views])
    else:
        context.table(COLUMNS, [row(view) for view in views])
        if not views:
            context.note("there is no route: nothing comes in by a gateway")
    return Exit.OK


def row(view: RouteView) -> tuple[str, ...]:
    """The cells of one route, in the order of COLUMNS."""
    return (
        str(view["order"]),
        view["host"] or "*",
        view["path"],
        view["to"],
        _timeout(view),
        count(view["requests"]),
        view["strip_prefix"] or NONE,
        view["where"],
    )


def _ask(context: Context, path: str, parameters: dict[str, Any]) -> Any:
    """The answer of the running mesh; None where none runs."""
    from minimesh.control.client import NotRunningError  # noqa: PLC0415 - the client costs 60 ms

    try:
        return context.get(path, parameters)
    except NotRunningError:
        return None


def _of_the_file(context: Context) -> list[RouteView]:
    from minimesh.control.ways import route_views  # noqa: PLC0415 - only where no mesh answers

    project = load(context).project
    context.detail("no mesh is running here: this is what the file says")
    return route_views(project)


def route(context: Context, *, method: str, url: str, header: tuple[tuple[str, str], ...]) -> int:
    """Exit code 1 where the mesh would answer by itself."""
    host, path = _target(url)
    content_type = ""
    for name, value in header:
        if name.lower() == "host":
            host = value
        elif name.lower() == "content-type":
            content_type = value
        else:
            context.note(f"no route looks at {name}: host and path decide, and whether it is a gRPC call")
    parameters = {"method": method.upper(), "host": host, "path": path, "content_type": content_type}
    decision = cast("DecisionView | None", _ask(context, "/v1/route", parameters))
    if decision is None:
        from minimesh.control.ways import decision_view, route_views  # noqa: PLC0415

        project = load(context).project
        decision = decision_view(project, route_views(project), parameters["method"], host, path, content_type)
    if context.json:
        context.object(decision)
    else:
        for line in told(decision, wide=context.output == "wide"):
            context.out.line(line)
    return Exit.OK if decision["taken"] else Exit.FAILED


def _target(url: str) -> tuple[str, str]:
    """Host with its port, and target, of a URL or of a path alone."""
    if url.startswith("/"):
        return "localhost", url
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise usage(f"URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise usage(f"URL: {url!r} is neither a path (/api) nor an http:// address")
    return parts.netloc.rpartition("@")[2], (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def told(decision: DecisionView, *, wide: bool) -> list[str]:
    """Sentences: what is taken and why, then the others that would have matched; with `wide` all the rest too."""
    request = f"{decision['method']} {decision['host']}{decision['path']}"
    taken = decision["taken"]
    considered = decision["considered"]
    lines = [escape(f"{request} -> {taken['to'] if taken else decision['reason']}")]
    if taken is not None:
        why = next(each["why"] for each in considered if each["matches"])
        lines.append(escape(f"  route    {taken['name']}   {taken['where']}"))
        lines.append(escape(f"  because  {why}"))
        if decision["forwarded"] != decision["path"]:
            lines.append(escape(f"  asked as {decision['forwarded']}   strip_prefix {taken['strip_prefix']}"))
        lines.append(f"  timeout  {_timeout(taken)}")
    elif decision["reason"]:
        lines.append(f"  help: minimesh explain {decision['reason']}")
    for each in considered:
        view = each["route"]
        if each["matches"] and view != taken:
            lines.append(escape(f"  less specific: {view['name']} -> {view['to']}   {view['where']}"))
        elif not each["matches"] and (wide or taken is None):
            lines.append(escape(f"  no: {view['name']} -> {view['to']}   {each['why']}"))
    return lines


def _timeout(view: RouteView) -> str:
    return NONE if view["timeout_ms"] is None else elapsed(view["timeout_ms"] / 1000)


COMMANDS: dict[str, Command] = {
    "routes": Command(
        routes,
        "Every route of the gateway in the order in which they are asked: the first that matches is taken.\n"
        "Exact hosts before wildcards before none; then methods of gRPC, exact paths, longer prefixes, regular\n"
        "expressions.",
        (
            ("minimesh routes", "with the line of each in minimesh.toml"),
            ("minimesh routes -o json", "for a script"),
        ),
    ),
    "route": Command(
        route,
        "Which route of the gateway a request takes, why, and which less specific ones would have matched;\n"
        "-o wide also says why the others do not. Nothing is sent. Exit code 1 where none matches.",
        (
            ("minimesh route GET /api/orders", "by path, with Host localhost"),
            ("minimesh route GET /login -H 'Host: shop.test' -o wide", "for another host, all routes"),
        ),
        (Argument("METHOD", "GET, POST, …"), Argument("URL", "a path, or a whole URL")),
        (
            Option(
                ("-H", "--header"), "a header of the request; Host and content-type decide", "K:V", header, repeat=True
            ),
        ),
        outputs=("table", "wide", "json"),
    ),
}
