"""Problems as people and as programs read them."""

from minimesh.model.cells import shorten, width
from minimesh.model.where import Where
from minimesh.spec.problem import Problem

WIDTH = 120
_LEAD = 40
_NARROWEST = 20


def render(problem: Problem, columns: int | None = None) -> str:
    """The text of one problem, without colour and without a final newline. Control characters are escaped.

    `columns` of the terminal, at most WIDTH: the line that is shown is cut to them.
    """
    columns = min(columns or WIDTH, WIDTH)
    lines = [f"{problem.severity}[{problem.code}]: {printable(problem.message)}"]
    rest = f"  help: {printable(problem.help)}" if problem.help else ""
    if problem.places:
        lines.append("  --> " + _places(problem))
    elif problem.where.file:
        lines.append(f"  --> {printable(_position(problem.where))}")
        if problem.source.strip():
            excerpt, carets = _excerpt(problem, columns)
            if rest and len(carets) + len(rest) < columns:
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


def _excerpt(problem: Problem, columns: int) -> tuple[str, str]:
    """The source line behind its number, and the carets under the part that is meant."""
    number = str(problem.where.line)
    before, marked, after = _window(problem, max(columns - len(f"{number} | "), _NARROWEST))
    gutter = " " * len(number)
    carets = " " * width(before) + "^" * max(1, width(marked))
    return f"{number} | {before}{marked}{after}".rstrip(), f"{gutter} | {carets}"


def _window(problem: Problem, most: int) -> tuple[str, str, str]:
    """The line in three parts, cut so that it fits in so many columns with the marked part in view."""
    start = problem.where.column - 1
    end = start + max(1, problem.width)
    line = problem.source
    before, marked, after = printable(line[:start]), printable(line[start:end]), printable(line[end:])
    if width(before) + width(marked) + width(after) > most:
        before = shorten(before[::-1], min(_LEAD, most // 3))[::-1]
        marked = shorten(marked, most - width(before))
        after = shorten(after, most - width(before) - width(marked)) if width(before) + width(marked) < most else ""
    return before, marked, after
