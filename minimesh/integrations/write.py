"""A minimesh.toml as text: what was joined, with what could not be carried over in comments at its place."""

from collections.abc import Iterable, Mapping

from minimesh.integrations.draft import Entry, Value
from minimesh.integrations.join import Joined
from minimesh.spec.toml import string

WIDE = 100
"""Columns. An inline table that would be wider becomes a table of its own."""


def write(joined: Joined) -> str:
    """The text of the file."""
    lines = [_comment(f"made by `minimesh init` from {' and '.join(joined.files)}"), "version = 1"]
    general = [note for note in joined.notes if not note.service]
    if general:
        lines += ["", *(_comment(f"{note.file}: {note.text}") for note in general)]
    lines += ["", *_gateway(joined)]
    for task in (False, True):
        for entry in joined.entries.values():
            if entry.task is task:
                lines += ["", *_entry(entry)]
    left_out = [note for note in joined.notes if note.service and note.service not in joined.entries]
    if left_out:
        lines += ["", *(_comment(f"{note.service} of {note.file} is {note.text}") for note in left_out)]
    return "\n".join(lines) + "\n"


def _gateway(joined: Joined) -> list[str]:
    if joined.front:
        return ["[gateway]", f'routes = [{{ path = "/*", to = {string(joined.front)} }}]']
    return ["# [gateway]", '# routes = [{ path = "/*", to = "…" }]    # which service answers browsers is not known']


def _entry(entry: Entry) -> list[str]:
    lines = [f"[{'tasks' if entry.task else 'services'}.{entry.name}]"]
    lines += [_comment(remark) for remark in entry.remarks]
    lines += [_comment(f"note: {lost}") for lost in dict.fromkeys(entry.lost)]
    if entry.address:
        lines.append(f"address = {string(entry.address)}")
    else:
        lines.append(f"run = {_command(entry.run)}")
    if entry.cwd:
        lines.append(f"cwd = {string(entry.cwd)}")
    lines += _port(entry)
    if entry.protocol:
        lines.append(f"protocol = {string(entry.protocol)}")
    if entry.needs:
        lines.append(f"depends_on = {_needs(entry.needs)}")
    if entry.calls:
        lines.append(f"calls = {_list(entry.calls)}")
    lines += _settings(entry)
    if entry.env_files:
        lines.append(f"env_file = {_list(entry.env_files) if len(entry.env_files) > 1 else string(entry.env_files[0])}")
    return [*lines, *_env(entry)]


def _command(run: str | tuple[str, ...]) -> str:
    if not isinstance(run, str):
        return _list(run)
    lines = run.split("\n")
    if len(lines) > 1 and "'''" not in run and all(line.isprintable() for line in lines) and not run.endswith("'"):
        return f"'''\n{run}'''"
    return string(run)


def _port(entry: Entry) -> list[str]:
    if entry.address or entry.task:
        return []
    if not entry.listens:
        return ['port = "none"']
    return [f"port = {entry.port}"] if entry.port is not None else []


def _needs(needs: Mapping[str, str]) -> str:
    return _table(needs) if "started" in needs.values() else _list(needs)


def _settings(entry: Entry) -> list[str]:
    lines: list[str] = []
    for key, table, short in (
        ("ready", entry.ready, "http"),
        ("restart", entry.restart, "policy"),
        ("stop", entry.stop, "within"),
    ):
        if table and not (key == "restart" and entry.task):
            lines.append(f"{key} = {_value(table[short]) if [*table] == [short] else _table(table)}")
    if entry.profiles and not entry.task:
        lines.append(f"profiles = {_list(entry.profiles)}")
    if entry.replicas > 1:
        lines.append(f"replicas = {entry.replicas}")
    return lines


def _env(entry: Entry) -> list[str]:
    if not entry.env:
        return []
    inline = f"env = {_table(entry.env)}"
    if len(inline) <= WIDE:
        return [inline]
    pairs = [f"{key} = {string(value)}" for key, value in entry.env.items()]
    return [f"[{'tasks' if entry.task else 'services'}.{entry.name}.env]", *pairs]


def _table(pairs: Mapping[str, Value] | Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in pairs.items()) + " }"


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(string, texts)) + "]"


def _value(value: Value) -> str:
    if isinstance(value, int):
        return str(value).lower()  # true, too
    return string(value) if isinstance(value, str) else _list(value)


def _comment(text: str) -> str:
    return "# " + "".join(c if c.isprintable() else " " for c in text)
