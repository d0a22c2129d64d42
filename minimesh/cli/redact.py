"""Taking secrets out of what leaves this machine: whole values, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from minimesh.spec.secret import MASK, is_secret, without_secrets

SHORTEST = 6
"""Characters. A shorter value would be found all over, and is no secret worth the name."""

_ASSIGNED = re.compile(
    r"""(?P<name>["']?[A-Za-z_][\w.-]*["']?)(?P<sign>\s*[=:]\s*)(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}\])]+)"""
)
_HEADER = re.compile(r"(?i)\b(authorization|proxy-authorization|cookie|set-cookie|x-api-key)(\"?\s*[:=]\s*)([^\r\n]+)")
_REFERENCE = re.compile(r"\"?\$\{[^}]*\}\"?")


class Redactor:
    """Masks by the name before a value, by the form of a value, and every one of the `known` values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({value for value in known if len(value) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _HEADER.sub(lambda match: f"{match[1]}{match[2]}{MASK}", text)
        return _ASSIGNED.sub(_mask_assigned, without_secrets(text))


def _mask_assigned(match: re.Match[str]) -> str:
    name, value = match["name"].strip("\"'"), match["value"]
    if not is_secret(name) or _REFERENCE.fullmatch(value) or value.strip("\"'") in ("", MASK):
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{match['sign']}{quote}{MASK}{quote}"
