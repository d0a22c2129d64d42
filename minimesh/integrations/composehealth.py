"""`healthcheck` of a compose service, as a readiness probe."""

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from minimesh.integrations.draft import Value
from minimesh.integrations.durations import seconds, written
from minimesh.integrations.reading import items, mapping, number, text
from minimesh.integrations.variables import in_shell
from minimesh.spec.paths import target
from minimesh.spec.text_error import TextError

_SELF = re.compile(
    r"(?:http://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\$\{?HOSTNAME\}?)(?::(\d+|\$\$?\{?PORT\}?))?(/\S*)?"
)
_FALLBACK = re.compile(r"\s*\|\|\s*exit(?:\s+\d+)?\s*;?\s*$")


class Check(NamedTuple):
    """A healthcheck: the GET that it is, as port ("": 80) and path, or else the command for a shell."""

    command: str
    port: str = ""
    path: str = ""


def check(healthcheck: object) -> Check | None:
    """The test of a healthcheck; None where there is none."""
    told = mapping(healthcheck)
    test = told.get("test")
    if text(told.get("disable")) == "true" or not test:
        return None
    if not isinstance(test, list):
        return _check(text(test))
    kind, *words = [text(word) for word in items(test)] or [""]
    if kind == "CMD-SHELL":
        return _check(" ".join(words))
    return _check(shlex.join(words)) if kind == "CMD" else None


def ready(healthcheck: object, port: int | None, targets: tuple[int, ...]) -> Mapping[str, Value]:
    """The probe for a program that runs here, on its port (None: $PORT) or on one of those of the container."""
    found = check(healthcheck)
    if found is None:
        return {}
    own = {"", *map(str, targets), *([str(port)] if port else [])}
    if found.path and (found.port in own or "PORT" in found.port):
        return {"http": found.path, **times(healthcheck)}
    return {"exec": in_shell(found.command), **times(healthcheck)} if found.command.strip() else {}


def times(healthcheck: object) -> Mapping[str, Value]:
    """`timeout` and `within`, where they were written and are longer than is usual."""
    told = mapping(healthcheck)
    found: dict[str, Value] = {}
    interval = seconds(text(told.get("interval"))) or 0.0
    retries = number(told.get("retries")) or 3
    patience = (seconds(text(told.get("start_period"))) or 0.0) + interval * retries
    timeout = seconds(text(told.get("timeout")))
    if timeout and timeout > 1:
        found["timeout"] = written(timeout)
    if 30 < patience < 86_400:
        found["within"] = written(patience)
    return found


def _check(command: str) -> Check:
    bare = _FALLBACK.sub("", command)
    try:
        words = shlex.split(bare)
    except ValueError:
        return Check(command)
    if words and words[0].rpartition("/")[2] in ("curl", "wget") and not set(bare) & set("|&;<>"):
        for word in words[1:]:
            if (address := _SELF.fullmatch(word)) and _is_path(address[2] or "/"):
                return Check(command, address[1] or "", address[2] or "/")
    return Check(command)


def _is_path(text: str) -> bool:
    try:
        target(text)
    except TextError:
        return False
    return "$" not in text
