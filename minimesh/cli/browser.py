"""`minimesh open`: where to look at the mesh or at a service."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command, Option

if TYPE_CHECKING:
    from minimesh.control.views import MeshView, PortsView


def open_(context: Context, *, svc: str | None, print: bool) -> int:  # noqa: A002 - the option's name
    """Always prints the URL; opens a browser where stdout is a terminal on a screen that has one."""
    url = _url(context, svc)
    if context.json:
        context.object({"url": url})
    else:
        context.out.line(url)
    context.out.flush()
    if context.out.width is not None and not print and not context.no_input and _has_screen():
        import webbrowser  # noqa: PLC0415 - only where there is one

        if not webbrowser.open(url):
            context.note("no browser could be started")
    return Exit.OK


def _url(context: Context, svc: str | None) -> str:
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    if svc is None or svc == "gateway":
        mesh: MeshView = context.get("/v1/mesh")
        if mesh["gateway"] is None:
            raise CommandError("MM409", "this mesh has no gateway", help="minimesh open SERVICE")
        return mesh["gateway"]["url"] + "/"
    view: PortsView = context.get(f"/v1/services/{segment(svc)}/ports")
    by_gateway = [each["url"] for each in view["reached"] if each["caller"] == "gateway"]
    by_gateway.sort(key=lambda url: "localhost" not in url)  # other hosts lead here only where a resolver says so
    own = [f"http://{each['address']}/" for each in view["listens"]]
    if not by_gateway and not own:
        raise CommandError("MM409", f"{svc} takes no calls, so there is nothing to open", help=f"minimesh logs {svc}")
    return (by_gateway or own)[0]


def _has_screen() -> bool:
    """Not over ssh, in a container or on a console: there a browser would take the terminal, or fail."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


COMMANDS: dict[str, Command] = {
    "open": Command(
        open_,
        "Print the URL of the gateway, or of a service: by its own name at the gateway, or by a route that\n"
        "leads to it, else its own port. On a terminal with a screen also open it in the browser.",
        (
            ("minimesh open", "the gateway"),
            ("minimesh open web --print", "only say where"),
        ),
        (Argument("SVC", "a service; default the gateway", optional=True),),
        (Option(("--print",), "do not open a browser"),),
        outputs=("table", "json"),
    )
}
