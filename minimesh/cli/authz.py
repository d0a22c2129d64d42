"""`minimesh authz`: which rule decides about a call, and which rules the calls that there were need."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.known import check_known
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.project import load
from minimesh.cli.text import escape, plural
from minimesh.cli.values import choice, claim, header, moment

if TYPE_CHECKING:
    from minimesh.control.authzviews import AuthorizationView, RuleVerdictView, SuggestionView
    from minimesh.model.project import Project
    from minimesh.model.service import Service

ACTIONS = choice("explain", "suggest")
_EXPLAIN = "minimesh authz explain web orders GET /orders/7"


def authz(
    context: Context,
    *,
    action: str,
    word: tuple[str, ...],
    header: tuple[tuple[str, str], ...],
    claim: tuple[tuple[str, object], ...],
    unattested: bool,
    at: str | None,
    since: str | None,
    denied: bool,
) -> int:
    """`explain`: exit code 0 where the call is allowed, 1 where it is not."""
    try:
        ACTIONS(action)
    except ValueError as error:
        raise usage(str(error), "minimesh authz --help") from None
    if action == "suggest":
        if header or claim or unattested or at:
            raise usage("authz suggest looks at calls that there were: it takes --since and --denied alone")
        return _suggest(context, word, since, denied)
    if since or denied:
        raise usage("--since and --denied are for authz suggest; when a call is thought of says --at", _EXPLAIN)
    return _explain(context, word, header, dict(claim), not unattested, at)


# --- explain -------------------------------------------------------------------------------------------------------


def _explain(
    context: Context,
    words: tuple[str, ...],
    headers: tuple[tuple[str, str], ...],
    claims: dict[str, object],
    attested: bool,
    at: str | None,
) -> int:
    from minimesh.control.authz import Asked, UnusablePathError, explained  # noqa: PLC0415 - only this command needs it

    if len(words) not in (2, 4):
        raise usage("authz explain needs CALLER SERVICE METHOD PATH, of a tcp or udp service CALLER SERVICE", _EXPLAIN)
    project = load(context).project
    service = _service(project, words)
    method, target = (words[2].upper(), words[3]) if len(words) == 4 else ("", "")
    if target and not target.startswith("/"):
        raise usage(f"PATH: {target!r} does not begin with /", _EXPLAIN)
    asked = Asked(words[0], method, target, headers, claims, attested, _now(at))
    try:
        view = explained(project, service, asked)
    except UnusablePathError as error:
        raise usage(f"PATH: {error}: it is refused with 400 before any rule is asked") from None
    if context.json:
        context.object(view)
    else:
        for line in told(view):
            context.out.line(escape(line))
        if not view["has_way"]:
            context.note(f'{words[0]} has no address for {service.name}: calls = ["{service.name}"]')
    return Exit.OK if view["allowed"] else Exit.FAILED


def _service(project: Project, words: tuple[str, ...]) -> Service:
    """The callee; the words are as many as it wants."""
    caller, name = words[:2]
    check_known([caller], ["gateway", *project.services, *project.tasks], "there is no caller", "callers")
    check_known([name], [*project.services], heading="services")
    service = project.services[name]
    if service.opaque and len(words) == 4:
        raise usage(
            f"{name} speaks {service.protocol}: it takes no METHOD and no PATH",
            f"minimesh authz explain {caller} {name}",
        )
    if not service.opaque and len(words) == 2:
        raise usage(f"{name} takes requests: say METHOD and PATH", f"minimesh authz explain {caller} {name} GET /")
    return service


def _now(at: str | None) -> float:
    from datetime import datetime  # noqa: PLC0415 - for rules with hours

    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    return SystemClock().wall() if at is None else datetime.fromisoformat(at).timestamp()


def told(view: AuthorizationView) -> list[str]:
    """What is decided and by what, then why each other rule does not decide."""
    call = " ".join(filter(None, (view["method"], view["path"]))) or "(a connection)"
    lines = [f"{view['caller']} -> {view['service']} {call}: {'allowed' if view['allowed'] else 'denied'}"]
    decided = view["decided"]
    by = f"{decided['effect']} {decided['rule']}" if decided else "default"
    lines += [f"  by       {by}   {view['where']}", f"  because  {view['because']}"]
    if view["would"] is not None:
        lines.append(f"  audit    the rules under audit would {view['would']} it")
    if view["add"] is not None:
        lines.append(f"  help     in `allow` of [services.{view['service']}]: {view['add']}")
    return lines + [_other(each, decided) for each in view["considered"] if each != decided]


def _other(each: RuleVerdictView, decided: RuleVerdictView | None) -> str:
    audit = "under audit; " if each["audit"] else ""
    why = each["why"] if not each["fits"] or decided is None else f"asked later; {each['why']}"
    return f"  {'fits' if each['fits'] else 'no'}: {each['effect']} {each['rule']}   {each['where']}   {audit}{why}"


# --- suggest -------------------------------------------------------------------------------------------------------


def _suggest(context: Context, services: tuple[str, ...], since: str | None, denied: bool) -> int:
    parameters = {"service": list(services), "since": since, "denied": int(denied)}
    views = cast("list[SuggestionView]", context.get("/v1/authz/suggest", parameters))
    if context.json:
        context.array(views)
        return Exit.OK
    for index, view in enumerate(views):
        for line in _as_toml(view):
            context.out.line(line)
        if index + 1 < len(views):
            context.out.line()
    if not views:
        context.note("no service was called yet, as far as the mesh remembers")
    if any(view["allow"] for view in views):
        context.note("paste each `allow` under its table, or keep all of it in a file that `include` names")
    return Exit.OK


def _as_toml(view: SuggestionView) -> list[str]:
    name = view["service"]
    if not view["allow"]:
        return [f"# {name}: there was no call"]
    about = f"# {plural(view['requests'], 'call')} since {view['since']}"
    return [about, f"[services.{name}]", "allow = [", *(f"  {rule}," for rule in view["allow"]), "]"]


def _at(text: str) -> str:
    """`21:30` today, or an RFC 3339 time; where it has no zone, the machine's."""
    from datetime import datetime, time  # noqa: PLC0415 - for --at alone

    try:
        if len(text) <= len("21:30:00"):
            return datetime.combine(datetime.now().astimezone(), time.fromisoformat(text)).astimezone().isoformat()
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time: 21:30 or 2026-07-01T21:30:00+02:00") from None


COMMANDS: dict[str, Command] = {
    "authz": Command(
        authz,
        "explain CALLER SERVICE METHOD PATH: whether a call is allowed, by which line, and why the other rules\n"
        "do not decide; by the file alone, nothing is sent. PATH is as the service is asked for it; of a tcp or\n"
        "udp service there is none. Exit code 1 where it is denied.\n"
        "suggest [SVC...]: the smallest `allow` that the calls of the last while need, of the running mesh.",
        (
            ("minimesh authz explain web orders GET /orders/7 --claim plan=paid", "which rule decides"),
            ("minimesh authz suggest orders --since 1h > rules.toml", "least privilege, from what there was"),
        ),
        (
            Argument("ACTION", "explain or suggest", words=ACTIONS.words),
            Argument("WORD", "CALLER SERVICE METHOD PATH, or SVC...", many=True),
        ),
        (
            Option(("-H", "--header"), "a header of the request; repeat", "K:V", header, repeat=True),
            Option(("--claim",), "what its token says, plan=paid; repeat", "K=V", claim, repeat=True),
            Option(("--unattested",), "the process is not known to be the caller's own"),
            Option(("--at",), "when; default now", "TIME", _at),
            Option(("--since",), "suggest: only calls from then on, 10m or RFC 3339", "TIME", moment),
            Option(("--denied",), "suggest: what rules have refused counts too"),
        ),
        outputs=("table", "json"),
    )
}
