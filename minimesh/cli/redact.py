"""Taking secrets out of what leaves this machine: whole values, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from minimesh.spec.secret import MASK, is_secret, without_password

SHORTEST = 6
"""Characters. A shorter value would be found all over, and is no secret worth the name."""

_ASSIGNED = re.compile(
    r"""(?P<name>["']?[A-Za-z_][\w.-]*["']?)(?P<sign>\s*[=:]\s*)(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}\])]+)"""
)
_HEADER = re.compile(r"(?i)\b(authorization|proxy-authorization|cookie|set-cookie|x-api-key)(\"?\s*[:=]\s*)([^\r\n]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_TOKEN = re.compile(
    r"\b(?:eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|gh[pousr]_\w{20,}|github_pat_\w{20,}|sk[-_](?:live|test|proj|ant)?[-_]?[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{16}|AIza[\w-]{30,}|glpat-[\w-]{16,})"
)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_REFERENCE = re.compile(r"\"?\$\{[^}]*\}\"?")


class Redactor:
    """Masks by the name before a value, by the form of a value, and every one of the `known` values."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = sorted({value for value in known if len(value) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _KEY_BLOCK.sub(MASK, text)
        text = _HEADER.sub(lambda match: f"{match[1]}{match[2]}{MASK}", text)
        text = _BEARER.sub(lambda match: f"{match[1]} {MASK}", text)
        text = _TOKEN.sub(MASK, text)
        return _ASSIGNED.sub(_mask_assigned, without_password(text))


def _mask_assigned(match: re.Match[str]) -> str:
    name, value = match["name"].strip("\"'"), match["value"]
    if not is_secret(name) or _REFERENCE.fullmatch(value) or value.strip("\"'") in ("", MASK):
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{match['sign']}{quote}{MASK}{quote}"
