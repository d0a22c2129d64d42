"""Problems as people and as programs read them."""

import unicodedata

from minimesh.model.where import Where
from minimesh.spec.problem import Problem

WIDTH = 120
_LEAD = 40


def render(problem: Problem) -> str:
    """The text of one problem, without colour and without a final newline. Control characters are escaped."""
    lines = [f"{problem.severity}[{problem.code}]: {printable(problem.message)}"]
    rest = f"  help: {printable(problem.help)}" if problem.help else ""
    if problem.places:
        lines.append("  --> " + _places(problem))
    elif problem.where.file:
        lines.append(f"  --> {printable(_position(problem.where))}")
        if problem.source.strip():
            excerpt, carets = _excerpt(problem)
            if rest and len(carets) + len(rest) < WIDTH:
                carets, rest = f"{carets} {rest}", ""
            lines += [excerpt, carets]
    if rest:
        lines.append(rest)
    return "\n".join(lines)


def as_json(problem: Problem) -> dict[str, str | int | None]:
    """What stands under `"error"` with --json. `line` and `column` are null where the whole file is meant."""
    where = problem.where
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "file": where.file or None,
        "line": where.line or None,
        "column": where.column if where.line else None,
        "help": problem.help or None,
    }


def printable(text: str) -> str:
    """The text with everything escaped that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c == "\t" else ascii(c)[1:-1] for c in text)


def _position(where: Where) -> str:
    return f"{where.file}:{where.line}:{where.column}" if where.line else where.file


def _places(problem: Problem) -> str:
    """`minimesh.toml:18 (api needs orders), :27 (orders needs api)`; a file is named where it begins and changes."""
    files = ("", *(at.where.file for at in problem.places))
    shown = (
        f"{_place(at.where, '' if at.where.file == before else at.where.file)} ({at.part})"
        for before, at in zip(files, problem.places, strict=False)
    )
    return printable(", ".join(shown))


def _place(where: Where, file: str) -> str:
    return f"{file}:{where.line}" if where.line else where.file


def _excerpt(problem: Problem) -> tuple[str, str]:
    """The source line behind its number, and the carets under the part that is meant."""
    number = str(problem.where.line)
    before, marked, after = _window(problem)
    gutter = " " * len(number)
    carets = " " * _cells(before) + "^" * max(1, _cells(marked))
    return f"{number} | {before}{marked}{after}".rstrip(), f"{gutter} | {carets}"


def _window(problem: Problem) -> tuple[str, str, str]:
    """The line in three parts, cut so that it fits on a screen with the marked part in view."""
    start = problem.where.column - 1
    end = start + max(1, problem.width)
    line = problem.source
    before, marked, after = line[:start], line[start:end], line[end:]
    if len(line) > WIDTH:
        before = before if len(before) <= _LEAD else "…" + before[1 - _LEAD :]
        room = WIDTH - len(before)
        marked = marked if len(marked) <= room else marked[: room - 1] + "…"
        room -= len(marked)
        after = after if len(after) <= room else after[: max(0, room - 1)] + "…"
    return printable(before), printable(marked), printable(after)


def _cells(text: str) -> int:
    """Columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
