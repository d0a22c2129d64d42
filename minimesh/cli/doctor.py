"""`minimesh check`: what is well, what may go wrong and what has, in groups, each with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.findings import Finding, about_folder, about_mesh, about_ports, about_project, about_services
from minimesh.cli.leaving import about_certificates, about_hosts, about_rules
from minimesh.cli.options import Command
from minimesh.cli.standing import about_security
from minimesh.cli.text import escape, plural, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minimesh.control.client import Client
    from minimesh.model.project import Project

_COLOURS = {"ok": "green", "open": "blue", "warn": "yellow", "fail": "red"}


def check(context: Context) -> int:
    """Exit code 1 where something is wrong, 0 also where only warnings are."""
    findings = examine(context)
    if context.json:
        context.array([finding._asdict() for finding in findings])
    else:
        for line in told(context, findings):
            context.out.line(line)
    return Exit.FAILED if any(finding.status == "fail" for finding in findings) else Exit.OK


def examine(context: Context) -> list[Finding]:
    """Everything that can be looked at, with or without a running mesh. What is ok needs no help."""
    return [found._replace(help="") if found.status == "ok" else found for found in _all(context)]


def _all(context: Context) -> Iterator[Finding]:
    root = context.root()
    found: list[Project] = []
    yield from about_project(context, found)
    yield from about_folder(root)
    client = context.client()
    silent = _state(client)
    if found:
        yield from about_ports(found[0], running=silent is None)
        yield from about_security(found[0])
        yield from about_rules(found[0])
        yield from about_certificates(found[0])
    if silent is not None:
        yield silent
        return
    yield from about_hosts(client)
    yield from about_mesh(client)
    yield from about_services(client)


def _state(client: Client) -> Finding | None:
    """None where a mesh runs and answers; else what is to be said of it."""
    from minimesh.control.client import NotRunningError, RefusedError  # noqa: PLC0415 - the client costs 60 ms

    try:
        client.get("/v1/mesh")
    except NotRunningError:
        text = "none runs here; services, traffic and logs are looked at when one does"
        return Finding("mesh", "running", "ok", text)
    except RefusedError as error:
        return Finding("mesh", "running", "fail", error.message, error.help or "minimesh bug-report")
    return None


def told(context: Context, findings: list[Finding]) -> Iterator[str]:
    """Lines in groups, then the sum of it."""
    group = ""
    room = max(len(finding.name) for finding in findings)
    for finding in findings:
        if finding.group != group:
            yield from ([""] if group else [])
            group = finding.group
            yield context.out.paint(group, "bold")
        mark = context.out.paint(f"{finding.status:<4}", _COLOURS[finding.status])
        text, width = escape(finding.text), context.out.width
        first, *rest = [text] if width is None else wrap(text, max(width - room - 10, 20))
        yield f"  {mark}  {escape(finding.name):<{room}}  {first}"
        yield from (" " * (room + 10) + line for line in rest)
        if finding.help:
            yield f"        help: {escape(finding.help)}"  # in one piece, so that it can be copied
    yield ""
    yield _sum(findings)


def _sum(findings: list[Finding]) -> str:
    words = {"fail": "failure", "warn": "warning"}
    bad = {status: sum(finding.status == status for finding in findings) for status in words}
    told = ", ".join(plural(bad[status], word) for status, word in words.items() if bad[status]) or "all is well"
    left_open = sum(finding.status == "open" for finding in findings)
    return f"{told}; {plural(left_open, 'thing')} left open" if left_open else told


COMMANDS: dict[str, Command] = {
    "check": Command(
        check,
        "What is well, what may go wrong and what has: the file, the state folder, ports, the mesh and its\n"
        "services. Works without a running mesh. Exit code 1 where something is wrong.",
        (
            ("minimesh check", "all of it, with what to do"),
            ("minimesh check --json", "an array of findings, for a script"),
        ),
        outputs=("table", "json"),
    )
}
