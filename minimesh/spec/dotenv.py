"""Environment files: NAME=VALUE lines, as dotenv, compose and systemd users write them.

`export` before the name and blanks around "=" are allowed. 'Single quotes' keep everything as it is; "double
quotes" know \\n, \\r, \\t, \\", \\\\ and \\$; both may go over several lines. Without quotes a value ends at its
line or at a "#" after a blank. Nothing is expanded. The last line for a name wins.
"""

import re
from pathlib import Path

from minimesh.model.where import Where
from minimesh.spec import codes
from minimesh.spec.files import read_plain_file
from minimesh.spec.problem import Problem, SpecError

_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)\"""", re.DOTALL)
_PLAIN = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of an environment file, in its order.

    Raises SpecError where the file cannot be read, is not UTF-8 or holds a line that is no assignment.
    """
    variables, problems = scan_env_file(path, str(path))
    if problems:
        raise SpecError(problems)
    return variables


def scan_env_file(path: Path, name: str) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """What can be read of an environment file, and what is wrong with the rest. `name`: how it is shown."""
    try:
        text = read_plain_file(path).decode("utf-8-sig")
    except OSError as error:
        return {}, (Problem(codes.UNREADABLE, f"cannot read {name}: {error.strerror}", Where(name)),)
    except UnicodeDecodeError:
        return {}, (Problem(codes.UNREADABLE, f"{name} is not UTF-8 text", Where(name)),)
    return parse_env(text.replace("\r\n", "\n").replace("\r", "\n"), name)


def parse_env(text: str, name: str) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """As `scan_env_file`, of a text."""
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    at = 0
    while at < len(text):
        if blank := _NOTHING.match(text, at):
            at = blank.end()
        elif assignment := _assignment(text, at):
            variable, value, at = assignment
            variables[variable] = value
        else:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            problems.append(_bad_line(text, at, end, name))
            at = end + 1
    return variables, tuple(problems)


def _assignment(text: str, at: int) -> tuple[str, str, int] | None:
    """Name, value and the offset of the next line; None if no assignment stands here."""
    name = _NAME.match(text, at)
    if name is None:
        return None
    quoted = _QUOTED.match(text, name.end())
    if quoted:
        rest = _NOTHING.match(text, quoted.end())
        single = quoted["single"]
        value = _ESCAPE.sub(_unescape, quoted["double"]) if single is None else single
        return (name[1], value, rest.end()) if rest and "\0" not in value else None
    if text[name.end() : name.end() + 1] in ("'", '"'):
        return None
    plain = _PLAIN.match(text, name.end())
    assert plain is not None, "it matches the empty text too"
    value = _COMMENT.sub("", plain[0]).strip()
    return None if "\0" in value else (name[1], value, plain.end() + 1)


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def _bad_line(text: str, at: int, end: int, file: str) -> Problem:
    line = text[at:end]
    open_quote = (name := _NAME.match(text, at)) and text[name.end() : name.end() + 1] in ("'", '"')
    indent = len(line) - len(line.lstrip())
    return Problem(
        codes.ENV_FILE,
        "what is quoted has no end here, or something behind it" if open_quote else "expected NAME=VALUE",
        Where(file, text.count("\n", 0, at) + 1, indent + 1),
        width=len(line.strip()),
        source=line,
        help='NAME="a value"',
    )
