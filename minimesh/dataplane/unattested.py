"""What is not let in where callers have to be known: by what is said to it, and by a gate that no such call passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.dataplane.gates import Asked, Refusal
from minimesh.model import snapshot
from minimesh.model.attest import Attest
from minimesh.model.reason import UNATTESTED

if TYPE_CHECKING:
    from minimesh.model.caller import Caller


def objection(spec: snapshot.Listener, caller: Caller) -> str:
    """Why a caller is not let in by this listener, in words; "": it is. Nobody has looked at a caller without a name:
    it came when nobody had to be known."""
    if spec.attest is not Attest.ENFORCE or caller.attested or not caller.who:
        return ""
    if spec.kind is snapshot.ListenerKind.SHARED:
        service = spec.routes[0].to
        return (
            f'this is {caller.who}, and no process of a service with calls = ["{service}"]; minimesh call {service} /'
        )
    source = caller.identity.service
    return f"this is {caller.who}, which is no process of {source}; minimesh exec {source} -- …"


class Unattested:
    """A gate that is shut. where: the line of minimesh.toml that shut it, or ""."""

    def __init__(self, spec: snapshot.Listener) -> None:
        self._spec = spec

    def ask(self, asked: Asked) -> Refusal:
        shared = self._spec.kind is snapshot.ListenerKind.SHARED
        where = str(self._spec.routes[0].where) if shared else ""
        return Refusal(UNATTESTED, objection(self._spec, asked.caller), where)
