"""`minimesh key`: keys for programs that call from outside, which providers with `keys` take."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, escape
from minimesh.cli.values import choice, claim, lifetime

if TYPE_CHECKING:
    from minimesh.control.views import KeyRequest, KeyView, NewKeyView

ACTIONS = choice("add", "ls", "revoke")
COLUMNS = (
    Column("ID"),
    Column("NAME"),
    Column("STATE"),
    Column("CLAIMS", shrink=12),
    Column("CREATED"),
    Column("EXPIRES"),
)


def key(
    context: Context,
    *,
    action: str,
    name: str | None,
    claim: tuple[tuple[str, object], ...],
    expires: float | None,
) -> int:
    try:
        ACTIONS(action)
    except ValueError as error:
        raise usage(str(error), "minimesh key --help") from None
    if action == "ls":
        return _ls(context, name)
    if name is None:
        raise usage(f"key {action} needs a NAME: whose key it is", "minimesh key --help")
    return _add(context, name, dict(claim), expires) if action == "add" else _revoke(context, name)


def _ls(context: Context, name: str | None) -> int:
    views = [
        view for view in cast("list[KeyView]", context.get("/v1/keys")) if name in (None, view["name"], view["id"])
    ]
    if context.json:
        context.array(views)
    elif context.output == "name":
        context.names([view["id"] for view in views])
    else:
        context.table(COLUMNS, [_row(view) for view in views])
        if not views:
            context.note("there are no keys: minimesh key add NAME")
    return Exit.OK


def _row(view: KeyView) -> tuple[str, ...]:
    claims = " ".join(f"{name}={value}" for name, value in view["claims"].items())
    return view["id"], view["name"], view["state"], escape(claims) or NONE, view["created"], view["expires"] or NONE


def _add(context: Context, name: str, claims: dict[str, object], expires: float | None) -> int:
    """The key alone on stdout, so that a shell can take it."""
    body: KeyRequest = {"name": name, "claims": claims, "within_ms": None if expires is None else expires * 1e3}
    view = cast("NewKeyView", context.client().post("/v1/keys", body))
    if context.json:
        context.object(view)
        return Exit.OK
    context.out.line(view["key"])
    until = f"good until {view['expires']}" if view["expires"] else "good until it is revoked"
    context.note(f"key {view['id']} of {name}, {until}. It is shown this once: keep it where secrets are kept")
    return Exit.OK


def _revoke(context: Context, name: str) -> int:
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    view = cast("KeyView", context.client().post(f"/v1/keys/{segment(name)}/revoke"))
    if context.json:
        context.object(view)
    else:
        context.note(f"key {view['id']} of {view['name']} is revoked, from the next request on")
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "key": Command(
        key,
        "Keys for programs that call from outside. Providers with `keys` take them, in the field x-api-key or\n"
        "another. A key is shown once, when it is made; what is kept is a hash. NAME says whose it is, and is\n"
        "the `sub` among its claims; `revoke` and `ls` take an id too.",
        (
            ("minimesh key add acme --claim plan=paid --expires 30d", "a key for acme, on stdout"),
            ("minimesh key revoke acme", "no longer, from the next request on"),
        ),
        (
            Argument("ACTION", "add, ls or revoke", words=ACTIONS.words),
            Argument("NAME", "whose key it is", optional=True),
        ),
        (
            Option(("--claim",), "what is known of whoever has it, plan=paid; repeat", "K=V", claim, repeat=True),
            Option(("--expires",), "how long it is good; default: until it is revoked", "TIME", lifetime),
        ),
    )
}
