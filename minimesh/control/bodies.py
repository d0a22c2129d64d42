"""The bodies of requests to the control API, checked."""

import re
from pathlib import Path
from typing import NamedTuple, TypeAlias

from minimesh.control.apply import Asked
from minimesh.control.refusal import ApiError
from minimesh.spec.scale import MOST_REPLICAS

KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
MOST_CLAIMS = 32
_Body: TypeAlias = dict[object, object]


def asked(body: object) -> Asked:
    """Out of a ReloadRequest. Raises ApiError."""
    fields = _fields(body, "only", "profiles", "further", "overrides", "dry_run", "watch")
    further = _texts(fields, "further")
    return Asked(
        _texts(fields, "only"),
        _texts(fields, "profiles") or (),
        None if further is None else tuple(map(Path, further)),
        _texts(fields, "overrides"),
        _flag(fields, "dry_run"),
        _flag(fields, "watch"),
    )


class NewKey(NamedTuple):
    """within: seconds that it is good for."""

    name: str
    claims: dict[str, object]
    within: float | None


def new_key(body: object) -> NewKey:
    """Out of a KeyRequest. Raises ApiError."""
    fields = _fields(body, "name", "claims", "within_ms")
    name, claims, within = fields.get("name"), fields.get("claims", {}), fields.get("within_ms")
    if not isinstance(name, str) or not KEY_NAME.fullmatch(name):
        raise _bad("name: expected 1 to 64 letters, digits, and . _ @ + -")
    if not isinstance(claims, dict) or len(claims) > MOST_CLAIMS:
        raise _bad(f"claims: expected an object with at most {MOST_CLAIMS} members")
    if within is not None and (isinstance(within, bool) or not isinstance(within, int | float) or within <= 0):
        raise _bad("within_ms: expected milliseconds above 0, or null")
    return NewKey(name, claims, None if within is None else within / 1e3)


def replicas(body: object) -> int:
    """Out of a ScaleRequest. Raises ApiError."""
    number = _fields(body, "replicas").get("replicas")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_REPLICAS:
        raise _bad(f"replicas: expected a whole number from 1 to {MOST_REPLICAS}")
    return number


def _fields(body: object, *known: str) -> _Body:
    if not isinstance(body, dict) or not body.keys() <= set(known):
        raise _bad(f"expected an object with {', '.join(known)}")
    return body


def _texts(fields: _Body, name: str) -> tuple[str, ...] | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
        raise _bad(f"{name}: expected a list of strings, without NUL")
    return tuple(value)


def _flag(fields: _Body, name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise _bad(f"{name}: expected true or false")
    return value


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_body", message)
