"""`--set K=V`: one key of the configuration, for one run."""

import re
import shlex
import tomllib
from pathlib import Path

from minimesh.model.where import Where
from minimesh.spec import codes
from minimesh.spec.kinds import quote
from minimesh.spec.problem import Problem, SpecError
from minimesh.spec.source import Source, parse_source

OPTION = "--set"

_PART = r"""[ \t]*(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*"""
_KEY = re.compile(rf"({_PART}(?:\.{_PART})*)=", re.ASCII)


def read_override(text: str, folder: Path) -> Source:
    """The document in `gateway.http=7444`: a dotted key of TOML; a value of TOML where it is one, else a string.

    Relative paths in it count from `folder`. Raises SpecError for what is no such pair.
    """
    name = f"{OPTION} {shlex.quote(text)}"
    match = _KEY.match(text)
    if match is None:
        raise SpecError((_problem(name, f"{OPTION} takes KEY=VALUE, the key dotted as in TOML"),))
    key, value = match[1].strip(), text[match.end() :].strip()
    try:
        return parse_source(f"{key} = {value if _is_value(value) else quote(value)}", name, folder, OPTION)
    except SpecError as error:
        raise SpecError(tuple(_problem(name, problem.message) for problem in error.problems)) from None


def _is_value(text: str) -> bool:
    """Whether a text is a value of TOML, and nothing besides."""
    try:
        return list(tomllib.loads(f"value = {text}")) == ["value"]
    except (ValueError, RecursionError):
        return False


def _problem(name: str, message: str) -> Problem:
    return Problem(codes.SYNTAX, message, Where(name), help=f"{OPTION} gateway.http=7444")
