"""The least that a rule has to say so that a call is allowed."""

import re

from minimesh.model.authorization import Rule
from minimesh.model.route import PathKind, PathMatch
from minimesh.policy.authorization import Call

# What a path in minimesh.toml can hold as it is: "*" would stand for more there.
_PLAIN = re.compile(r"/[A-Za-z0-9._~!$&'()+,;=:@%/-]*", re.ASCII)


def rule_for(call: Call) -> Rule:
    """One that fits this call, and others of the same caller with the same method and path."""
    if not call.path:
        return Rule((call.caller,))
    return Rule((call.caller,), (call.method.decode("latin-1"),), (exactly(call.path.decode("latin-1")),))


def exactly(path: str) -> PathMatch:
    """This path and no other."""
    if _PLAIN.fullmatch(path):
        return PathMatch(PathKind.EXACT, path)
    return PathMatch(PathKind.REGEX, f"{re.escape(path)}$")
