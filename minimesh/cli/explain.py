"""`minimesh explain`: what a key of minimesh.toml, an error code or a reason means."""

from __future__ import annotations

from textwrap import fill, indent, wrap
from typing import TYPE_CHECKING

from minimesh.cli.codes import CODES
from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command
from minimesh.cli.text import nearest

if TYPE_CHECKING:
    from minimesh.spec.entries import Entry

WIDTH = 100


def explain(context: Context, *, topic: str) -> int:
    """Offline. A name that several keys have lists them; an unknown one is a usage error with the nearest known."""
    texts = explanations()
    word = _word(topic)
    found = keys(topic)
    if word not in texts and not found:
        raise _unknown(topic, texts)
    if context.json:
        text = texts.get(word)
        codes = {"code": word, "text": text} if text else {}
        context.object({**codes, "keys": [facts(entry) for entry in found]})
        return Exit.OK
    if word in texts:
        context.out.line(prose(f"{word}: {texts[word]}", context.out.width))
        if found:
            context.out.line("\nIt is a key of minimesh.toml too:")
    if len(found) == 1:
        context.out.line(described(found[0], context.out.width))
    else:
        _list(context, found, known=word in texts)
    return Exit.OK


def _word(topic: str) -> str:
    return f"MM{topic[2:]:0>3}" if topic[:2].upper() == "MM" else topic.lower().replace("-", "_")


def _list(context: Context, found: list[Entry], *, known: bool) -> None:
    width = max((len(entry.dotted) for entry in found), default=0)
    if found and not known:
        context.out.line(f"{found[0].name} is the name of several keys; `minimesh explain` one of them:")
    for entry in found:
        context.out.line(f"  {entry.dotted:<{width}}  {entry.key.doc if entry.key else 'not built yet'}")


def explanations() -> dict[str, str]:
    """The codes and reasons: errors of the file, of the mesh and of the commands, and why the mesh answers itself."""
    from minimesh.control.codes import explain as of_the_mesh  # noqa: PLC0415 - for explain alone
    from minimesh.model.reason import REASONS  # noqa: PLC0415
    from minimesh.spec import explain as of_the_file  # noqa: PLC0415

    who = {"app": "the service", "client": "the caller", "mesh": "minimesh itself"}
    reasons = {
        code: f"{reason.title.format(service='the service')}\n\n"
        f"An answer with status {reason.status} that the mesh made, not the service. Whoever has to do something\n"
        f"about it is {who[reason.fault]}."
        for code, reason in REASONS.items()
    }
    commands = {code: f"{topic.title}\n\n{topic.text}" for code, topic in CODES.items()}
    return {**of_the_file, **of_the_mesh, **commands, **reasons}


def keys(topic: str) -> list[Entry]:
    """The keys that a path or the end of one names: `timeout`, `restart.backoff`, `services.web.timeout`."""
    from minimesh.spec.entries import entries  # noqa: PLC0415 - only who asks for keys pays for the tables

    asked = _pattern(topic)
    exact = [entry for entry in entries() if entry.path == asked]
    return exact or [entry for entry in entries() if entry.path[-len(asked) :] == asked]


def _pattern(topic: str) -> tuple[str, ...]:
    """A path as the entries have it: * for names, nothing for the items of lists, [defaults] as a service's."""
    from minimesh.spec.entries import ANY, SAMPLES  # noqa: PLC0415

    parts = topic.lower().replace("[", ".").replace("]", ".").split(".")
    plain = [part for part in parts if part and not part.isdecimal()]
    if plain[:1] == ["defaults"] and len(plain) > 1:
        return ("services", ANY, *plain[1:])
    if plain[:1] and plain[0] in SAMPLES and len(plain) > 2:
        plain[1] = ANY
    return tuple(plain)


def prose(text: str, columns: int | None) -> str:
    """Paragraphs, broken anew where the terminal is too narrow for them; what is indented stays."""
    if columns is None or all(len(line) <= columns for line in text.split("\n")):
        return text
    parts = text.split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else _filled(part, columns) for part in parts)


def _filled(paragraph: str, columns: int) -> str:
    return fill(paragraph, columns, break_long_words=False, break_on_hyphens=False)


def described(entry: Entry, columns: int | None = None) -> str:
    """All that is known of a key, for a terminal of so many columns."""
    from minimesh.spec.entries import example, limits, table_of  # noqa: PLC0415

    if entry.key is None:
        text = "part of the format of minimesh.toml, but this version of minimesh does not do it yet"
        return prose(
            f"{entry.dotted}: {text}.\n\nIt is refused rather than ignored (MM006), so that no one relies on it.",
            columns,
        )
    kind = entry.key.kind
    table = table_of(kind)
    rows = [("type", kind.noun), ("limits", limits(kind)), ("default", entry.key.default)]
    if entry.key.required:
        rows.append(("required", "it has to be written"))
    if table and table.short:
        pair = f"{entry.name} = {table.short.kind.example}"
        rows.append(("short", f"{pair} means {entry.name} = {{ {table.short.name} = {table.short.kind.example} }}"))
    if table:
        rows.append(("keys", ", ".join(key.name for key in table.keys)))
    rows.append(("not built", ", ".join(sorted(getattr(table or kind, "later", ())))))
    if entry.path[0] == "services" and len(entry.path) > 2:
        rows.append(("also in", "[defaults], for all services"))
    lines = [prose(f"{entry.dotted}: {entry.key.doc}", columns), ""]
    room = max(min(WIDTH, columns or WIDTH) - 12, 20)
    for name, text in rows:
        first, *rest = wrap(text, room) or [""]
        lines += [f"  {name:<10}{first}", *(" " * 12 + line for line in rest)] if text else []
    return "\n".join([*lines, "", indent(example(entry), "  ")])


def facts(entry: Entry) -> dict[str, object]:
    """A key for a script."""
    from minimesh.spec.entries import example, limits, table_of  # noqa: PLC0415

    if entry.key is None:
        return {"key": entry.dotted, "built": False}
    table = table_of(entry.key.kind)
    return {
        "key": entry.dotted,
        "built": True,
        "meaning": entry.key.doc,
        "type": entry.key.kind.noun,
        "limits": limits(entry.key.kind) or None,
        "default": entry.key.default or None,
        "required": entry.key.required,
        "short": table.short.name if table and table.short else None,
        "example": example(entry),
    }


def _unknown(topic: str, texts: dict[str, str]) -> CommandError:
    from minimesh.spec.entries import entries  # noqa: PLC0415

    known = {entry.dotted: entry.dotted for entry in entries()} | {entry.name: entry.name for entry in entries()}
    guess = nearest(_word(topic), [*texts, *known]) or nearest(".".join(_pattern(topic)), known)
    return CommandError(
        "MM410",
        f"nothing is known as {topic!r}" + (f"; did you mean {guess}?" if guess else ""),
        exit_code=Exit.USAGE,
        help=f"minimesh explain {guess or 'MM401'}",
    )


COMMANDS: dict[str, Command] = {
    "explain": Command(
        explain,
        "What a key of minimesh.toml, an error code or a reason means, and what to do about it. Works\n"
        "offline. A key is its name, or its path where several have that name.",
        (
            ("minimesh explain MM002", "the code of an error"),
            ("minimesh explain services.*.restart.backoff", "a key: type, default, units, an example"),
        ),
        (Argument("TOPIC", "a key, MMnnn, or a reason (upstream_refused)"),),
        outputs=("table", "json"),
    ),
}
