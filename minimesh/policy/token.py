"""A signed token (JWT, RFC 7519, in the compact form of RFC 7515) taken apart, its signature apart.

Strict where the RFCs let a reader choose, since what two readers take differently is how tokens are forged: no padding,
no name twice, nothing that is critical, no type but that of an access or ID token (RFC 8725).
"""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import NoReturn

from minimesh.model.auth import BadCredentialError, Flaw

LARGEST = 16 * 1024
"""Bytes of a whole token."""
DEEPEST = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(rb"[\[\]{}]")
_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
_TYPES = ("jwt", "at+jwt", "application/at+jwt", "application/jwt")
_PRINTABLE = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Token:
    """What it says, whether or not that is true. key_id: which of its issuer's keys it was signed with, if it says."""

    text: bytes
    algorithm: str
    key_id: str | None
    claims: dict[str, object]


class _TwiceError(ValueError):
    """A name stands twice in one object."""


def read_token(text: bytes) -> Token:
    """Raises BadCredentialError."""
    if len(text) > LARGEST:
        raise BadCredentialError(Flaw.TOO_LARGE, f"the token has {len(text)} bytes, more than {LARGEST}")
    form = _FORM.fullmatch(text)
    if form is None:
        if text.count(b".") == 4:
            raise BadCredentialError(Flaw.ENCRYPTED, "the token is encrypted (JWE); signed ones (JWS) are taken here")
        _malformed("it is not three parts of base64url, joined by dots")
    header, claims = _object(form[1], "header"), _object(form[2], "payload")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        _malformed("`alg` or `kid` of its header is not a string")
    _check_header(header)
    return Token(text, algorithm, key_id, claims)


def _check_header(header: dict[str, object]) -> None:
    for name in ("crit", "b64"):
        if name in header:
            raise BadCredentialError(Flaw.CRITICAL, f"the token's header has `{name}`, of which nothing is known here")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise BadCredentialError(Flaw.TYPE, f"the token is of the type {shown(kind)}, not JWT or at+jwt")


def _object(part: bytes, what: str) -> dict[str, object]:
    if len(part) % 4 == 1:
        _malformed(f"its {what} is not base64url")
    try:
        text = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
        if _depth(text) > DEEPEST:
            _malformed(f"its {what} is nested more than {DEEPEST} deep")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no)
    except _TwiceError as error:
        raise BadCredentialError(Flaw.DUPLICATE, f"the token's {what} says {shown(str(error))} twice") from None
    except ValueError:
        _malformed(f"its {what} is not JSON")
    if not isinstance(value, dict):
        _malformed(f"its {what} is not a JSON object")
    return value


def _depth(text: bytes) -> int:
    """How deep arrays and objects lie in each other, at most: each Python gives up at another depth."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found


def _no(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _malformed(why: str) -> NoReturn:
    raise BadCredentialError(Flaw.MALFORMED, f"the token cannot be read: {why}")


def shown(value: object) -> str:
    """Something that a stranger wrote, short and in characters that do no harm."""
    text = _PRINTABLE.sub("?", str(value))
    return f'"{text[:64]}…"' if len(text) > 64 else f'"{text}"'
