"""`${…}` in values: what the environment gives is put in now, what the running mesh gives becomes a reference.

${NAME}             of the environment; an error where it is not set
${NAME:-default}    the default where it is not set or empty; it may hold ${…} again
${NAME:?message}    an error with this message where it is not set or empty
${orders.url}       the mesh's own: url, host, port or address (addr) of a service, or of `self`
$${                 a literal "${"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from minimesh.spec import codes
from minimesh.spec.text_error import TextError

ATTRIBUTES = ("url", "host", "port", "address", "addr")

_MARK = re.compile(r"\$\$\{|\$\{|\}")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)(.*))?", re.DOTALL)
_NAMED_PORT = re.compile(rf"[a-z][a-z0-9_-]*\.({'|'.join(ATTRIBUTES)})")
_REFERENCE = re.compile(r"([a-z][a-z0-9-]*)\.([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Hole:
    """What only the running mesh can fill. `written` is how it stands in the text."""

    service: str
    attribute: str
    written: str


class UnfilledError(TextError):
    """A `${…}` that cannot be filled; `written` says which."""

    def __init__(self, code: str, message: str, written: str, advice: str) -> None:
        super().__init__(code, message)
        self.written = written
        self.advice = advice


def interpolate(text: str, environment: Mapping[str, str]) -> list[str | Hole]:
    """Literal text and holes, in order. Raises UnfilledError."""
    parts: list[str | Hole] = []
    at = 0
    while mark := _MARK.search(text, at):
        parts.append(text[at : mark.start()])
        at = mark.end()
        if mark[0] == "${":
            end = _closing(text, mark.start())
            parts += _fill(text[at:end], text[mark.start() : end + 1], environment)
            at = end + 1
        else:
            parts.append("${" if mark[0] == "$${" else "}")
    parts.append(text[at:])
    return [part for part in parts if part != ""]


def _closing(text: str, start: int) -> int:
    """The offset of the brace that closes the `${` at start."""
    depth = 0
    at = start
    while mark := _MARK.search(text, at):
        depth += -1 if mark[0] == "}" else 1 if mark[0] == "${" else 0
        if not depth:
            return mark.start()
        at = mark.end()
    raise UnfilledError(codes.VARIABLE, "a ${ is not closed", text[start:], 'close it with "}", or write $${')


def _fill(inner: str, written: str, environment: Mapping[str, str]) -> list[str | Hole]:
    if reference := _REFERENCE.fullmatch(inner):
        return [_hole(reference, written)]
    variable = _VARIABLE.fullmatch(inner)
    if variable is None:
        raise UnfilledError(
            codes.VARIABLE,
            f"`{written}` is neither a variable of the environment nor a reference to a service",
            written,
            '${NAME}, ${NAME:-default} or ${orders.url}; for a literal "${" write $${',
        )
    name, operator, rest = variable.groups()
    value = environment.get(name)
    if value or (value is not None and not operator):
        return [value]
    if operator == ":-":
        return interpolate(rest, environment)
    # With a message of the author's, as the shell says it.
    message = f"{name}: {rest}" if operator and rest else f"the environment variable {name} is not set"
    raise UnfilledError(
        codes.VARIABLE,
        message,
        written,
        f"put {name}=… in .env beside minimesh.toml, or give a default: ${{{name}:-…}}",
    )


def _hole(reference: re.Match[str], written: str) -> Hole:
    service, attribute = reference.groups()
    if _NAMED_PORT.fullmatch(attribute):
        message = f"`{written}`: further ports of a service are part of minimesh.toml but not built yet"
        instead = f"${{{service}.{attribute.rpartition('.')[2]}}}"
        raise UnfilledError(codes.NOT_BUILT, message, written, instead)
    if attribute not in ATTRIBUTES:
        raise UnfilledError(
            codes.REFERENCE,
            f"`{written}`: a service has no `{attribute}`; expected url, host, port or address",
            written,
            f"${{{service}.url}}",
        )
    return Hole(service, attribute, written)
