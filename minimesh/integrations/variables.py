"""`${…}` of compose and process-compose, in the words of minimesh.toml.

Theirs take nothing for what is not set, ours refuses it: so `${NAME}` becomes `${NAME:-}`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from minimesh.spec.dotenv import scan_env_file
from minimesh.spec.files import is_plain_file

_MARK = re.compile(r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<brace>\{))", re.ASCII)
_IN_COMMAND = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_BRACE = re.compile(r"\$\{|\}")
_INNER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])(.*))?", re.DOTALL | re.ASCII)


def plain(text: str) -> str:
    """A text in which nothing is meant to be replaced."""
    return text.replace("${", "$${")


def converted(text: str, tell: Callable[[str], None]) -> str:
    """A text with `$NAME`, `${NAME…}` and `$$` as minimesh.toml has them. `tell` hears of what it cannot have."""
    parts: list[str] = []
    literal: list[str] = []
    at = 0
    while mark := _MARK.search(text, at):
        literal.append(text[at : mark.start()])
        at = mark.end()
        end = _closing(text, at) if mark["brace"] else at
        if mark["dollar"] or end < 0:
            literal.append("$" if mark["dollar"] else "${")
            continue
        parts.append(plain("".join(literal)))
        literal.clear()
        parts.append(f"${{{mark['name']}:-}}" if mark["name"] else _brace(text[at:end], tell))
        at = end + 1 if mark["brace"] else end
    return "".join(parts) + plain("".join(literal) + text[at:])


def in_shell(text: str) -> str:
    """A command line for the shell, which knows `${NAME}` itself: only `$$` is undone."""
    return re.sub(r"\$\$(?=[A-Za-z_{(])", "$", text)


def in_dotenv(command: str, folder: Path) -> list[str]:
    """The variables of a command line for the shell that the .env of a folder defines."""
    defined, _ = scan_env_file(folder / ".env", ".env") if is_plain_file(folder / ".env") else ({}, ())
    return [name for name in dict.fromkeys(_IN_COMMAND.findall(command)) if name in defined]


def _closing(text: str, at: int) -> int:
    """The offset of the brace that closes what was opened before `at`; -1 if nothing does."""
    depth = 1
    for mark in _BRACE.finditer(text, at):
        depth += -1 if mark[0] == "}" else 1
        if not depth:
            return mark.start()
    return -1


def _brace(inner: str, tell: Callable[[str], None]) -> str:
    known = _INNER.fullmatch(inner)
    if known is None:
        tell(f"${{{inner}}} is not understood: left empty")
        return ""
    name, operator, word = known.groups()
    if operator and operator.endswith("?"):
        return f"${{{name}:?{re.sub(r'[{}$]', '', word)}}}"
    if operator and operator.endswith("+"):
        tell(f"${{{inner}}}: there is no `{operator}`; left empty")
        return ""
    default = converted(word or "", tell)
    if "$${" in default:
        tell(f"${{{inner}}}: the default cannot be carried over; left empty")
        default = ""
    return f"${{{name}:-{default}}}"
