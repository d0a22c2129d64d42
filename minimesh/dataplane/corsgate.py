"""CORS at the gate of a route: preflights are answered here, and answers say who may read them."""

from collections.abc import Sequence

from minimesh.dataplane.gates import Asked, Gate, Refusal, Reply, Side, Verdict
from minimesh.dataplane.heads import RequestHead
from minimesh.model import snapshot
from minimesh.model.cors import Cors
from minimesh.model.reason import CORS_ORIGIN, CORS_PREFLIGHT
from minimesh.model.route import Route
from minimesh.policy.cors import ANSWERED, Policy

_METHOD, _HEADERS = b"access-control-request-method", b"access-control-request-headers"


class CorsGates:
    """Of the routes that have a policy."""

    side = Side.CALLER

    def gates(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Gate]:
        return () if route.cors is None else (CorsGate(route.cors),)


class CorsGate:
    """What a service says of CORS itself does not count: there is one policy, and it is this."""

    __slots__ = ("_origins", "_policy", "_where")

    def __init__(self, cors: Cors) -> None:
        self._policy = Policy(cors)
        self._origins = ", ".join(cors.origins)
        self._where = str(cors.where)

    def ask(self, asked: Asked) -> Verdict:
        fields = asked.head.fields
        origin = fields.get(b"origin")
        if origin is None or not is_preflight(asked.head):
            asked.struck.update(ANSWERED)
            asked.answered += self._policy.answer(origin)
            return None
        answer = self._policy.preflight(origin, fields.get(_METHOD) or b"", fields.get(_HEADERS) or b"")
        if answer.allowed:
            return Reply(CORS_PREFLIGHT, CORS_PREFLIGHT.status, answer.fields)
        detail = f"{origin.decode('latin-1')[:200]} is not among `origins`: {self._origins}"
        return Refusal(CORS_ORIGIN, detail, self._where, answer.fields)


def is_preflight(head: RequestHead) -> bool:
    """A browser asks before it lets a page call (Fetch, section 3.3.2)."""
    if head.method != b"OPTIONS":
        return False
    return head.fields.get(_METHOD) is not None and head.fields.get(b"origin") is not None
