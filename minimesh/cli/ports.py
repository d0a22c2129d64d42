"""`minimesh port`: what a service listens on, and where each caller reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command
from minimesh.cli.table import Column
from minimesh.cli.values import port as port_number

if TYPE_CHECKING:
    from minimesh.control.views import PortsView

COLUMNS = (Column("WHO"), Column("ADDRESS"), Column("HOW", shrink=6, drop=1))


def port(context: Context, *, svc: str, private: str | None) -> int:
    """A table; with a port only the address that listens on it, as compose's `port SERVICE PRIVATE_PORT`."""
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    wanted = None if private is None else _number(private)
    view: PortsView = context.get(f"/v1/services/{segment(svc)}/ports")
    addresses = [each["address"] for each in view["listens"]]
    if wanted is not None:
        addresses = [address for address in addresses if address.rpartition(":")[2] == str(wanted)]
        if not addresses:
            listens = ", ".join(each["address"] for each in view["listens"]) or "nothing"
            raise CommandError(
                "MM409", f"{svc} does not listen on {wanted}, but on {listens}", help=f"minimesh port {svc}"
            )
    if context.json:
        context.object(view)
    elif wanted is not None or context.quiet or context.output == "name":
        context.names(addresses)
    else:
        context.table(COLUMNS, rows(view))
        if not view["listens"] and not view["reached"]:
            context.note(f"{svc} takes no calls")
    return Exit.OK


def _number(text: str) -> int:
    try:
        return port_number(text.partition("/")[0])  # compose takes 80/tcp
    except ValueError as error:
        raise CommandError("MM402", f"PORT: {error}", exit_code=Exit.USAGE) from None


def rows(view: PortsView) -> list[tuple[str, ...]]:
    """The cells, in the order of COLUMNS: what listens, then who reaches it where."""
    name, several = view["name"], len(view["listens"]) > 1
    found: list[tuple[str, ...]] = [
        (f"{name}/{each['replica']}" if several and each["replica"] else name, each["address"], "listens")
        for each in view["listens"]
    ]
    if view["shared"]:
        found.append(("its callers", view["shared"], "listen"))
    for each in view["reached"]:
        how = f"route {each['route']}" if each["route"] else "by its own name"
        found.append((each["caller"], each["url"], f"${each['variable']}" if each["variable"] else how))
    return found


COMMANDS: dict[str, Command] = {
    "port": Command(
        port,
        "What a service listens on, and where each of its callers reaches it. With a port only the address\n"
        "of that port, as with compose; so with -q for every port.",
        (
            ("minimesh port orders", "its own address, and that of each caller"),
            ("curl $(minimesh port -q orders)/healthz", "ask its program itself, past the mesh"),
        ),
        (Argument("SVC", "a service or gateway"), Argument("PRIVATE", "a port of its program", optional=True)),
        outputs=("table", "json", "name"),
    )
}
