"""`minimesh token`: a signed token for development, which providers with `dev = true` take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Command, Option
from minimesh.cli.text import elapsed
from minimesh.cli.values import claim, lifetime

if TYPE_CHECKING:
    from minimesh.model.auth import Jwt, Provider
    from minimesh.model.project import Project

_MADE = "[auth.users] jwt = { dev = true }"


def token(
    context: Context,
    *,
    claim: tuple[tuple[str, object], ...],
    provider: str | None,
    ttl: float,
    subject: str | None,
) -> int:
    """The token alone on stdout, so that a shell can take it."""
    from minimesh.cli.project import load  # noqa: PLC0415 - the file's reader takes its time

    project = load(context).project
    chosen, rules = _provider(project, provider)
    claims = {**_claims(rules, subject, ttl), **dict(claim)}
    if context.json:
        context.object({"token": _signed(project, claims), "provider": chosen.name, "claims": claims})
    else:
        context.out.line(_signed(project, claims))
        context.note(f"for [auth.{chosen.name}], as {claims['sub']}, good for {elapsed(ttl)}")
    return Exit.OK


def _provider(project: Project, name: str | None) -> tuple[Provider, Jwt]:
    """The one that is named, or the only one that takes such tokens."""
    from minimesh.model.auth import Jwt  # noqa: PLC0415 - as above

    able = {each.name: (each, each.method) for each in project.auth.values() if isinstance(each.method, Jwt)}
    dev = {each: found for each, found in able.items() if found[1].dev}
    if name is not None and name not in dev:
        there = project.auth.get(name)
        why = f"there is no [auth.{name}]" if there is None else f"[auth.{name}] does not take tokens of development"
        raise CommandError(
            "MM415",
            f"{why}; those that do: {', '.join(dev)}" if dev else why,
            exit_code=Exit.USAGE,
            where="" if there is None else str(there.where),
            help="jwt = { …, dev = true }" if name in able else _MADE,
        )
    if not dev:
        message = "no provider of this project takes tokens of development"
        raise CommandError("MM415", message, exit_code=Exit.USAGE, help=_MADE)
    if name is None and len({found[1].audience for found in dev.values()}) > 1:
        message = f"several providers take tokens of development: {', '.join(dev)}"
        raise CommandError("MM415", message, exit_code=Exit.USAGE, help=f"minimesh token --for {next(iter(dev))}")
    return dev[name] if name is not None else next(iter(dev.values()))


def _claims(rules: Jwt, subject: str | None, ttl: float) -> dict[str, object]:
    from minimesh.model.auth import DEV_ISSUER  # noqa: PLC0415 - as above
    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    now = int(SystemClock().wall())
    one = len(rules.audience) == 1
    return {
        "iss": DEV_ISSUER,
        **({"aud": rules.audience[0] if one else [*rules.audience]} if rules.audience else {}),
        "sub": subject or os.environ.get("USER") or "developer",
        "iat": now,
        "exp": now + int(max(ttl, 1)),
    }


def _signed(project: Project, claims: dict[str, object]) -> str:
    from minimesh.control.auth.contents import dev_key  # noqa: PLC0415 - signing needs a library that takes its time
    from minimesh.control.paths import StateFolder  # noqa: PLC0415
    from minimesh.identity.devkey import DevKeyError, signed  # noqa: PLC0415
    from minimesh.store.keyfiles import KeyFileError  # noqa: PLC0415

    folder = StateFolder(project.root)
    try:
        folder.create()
        return signed(dev_key(folder.dev_key), claims)
    except KeyFileError as error:
        raise CommandError("MM411", str(error), help=error.fix) from None
    except (OSError, DevKeyError) as error:
        raise CommandError("MM411", f"{folder.dev_key}: {error}", help=f"ls -l {folder.dev_key}") from None


COMMANDS: dict[str, Command] = {
    "token": Command(
        token,
        "A signed token (JWT) for development, on stdout. Providers with `jwt = { dev = true }` take it: it is\n"
        "signed with a key of this project alone, which lies in .minimesh. No mesh needs to run.",
        (
            ('curl -H "authorization: Bearer $(minimesh token)" localhost:7080', "a request as yourself"),
            ("minimesh token --subject ann --claim plan=paid --ttl 8h", "as somebody else"),
        ),
        (),
        (
            Option(("--claim",), "something it says, plan=paid; repeat", "K=V", claim, repeat=True),
            Option(("--for",), "the provider; default: the only one that takes it", "NAME", name="provider"),
            Option(("--ttl",), "how long it is good; default 1h", "TIME", lifetime, default=3600.0),
            Option(("--subject", "--sub"), "who it is of (`sub`); default: you", "NAME", name="subject"),
        ),
        outputs=("table", "json"),
    )
}
