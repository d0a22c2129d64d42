"""Another program decides: it is asked with the head of the request, and lets it pass by answering 2xx.

What it is told is what Traefik's ForwardAuth says: a GET with the fields of the request, and method, host and target in
X-Forwarded-*. So what is made for that (oauth2-proxy, Authelia, authentik) can be asked as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from minimesh.dataplane.auth.checker import Outcome, Tell, Unavailable
from minimesh.dataplane.destination import Destination
from minimesh.dataplane.errand import Question, Wanted
from minimesh.dataplane.gates import WAIT, Asked, Refusal, Reply, Wait
from minimesh.dataplane.heads import Pairs
from minimesh.dataplane.wheel import Wheel
from minimesh.model.auth import Forward, Known, Provider
from minimesh.model.reason import ACCESS_DENIED, CREDENTIALS_BAD
from minimesh.policy.shown import Shown

MOST_ANSWERED = 64 * 1024
"""Bytes of its answer: what a person sees who is sent away."""
# What a body has that is not sent, and what the mesh says itself.
_NOT_TOLD = frozenset({b"content-length", b"content-type", b"content-encoding", b"expect", b"te", b"trailer", b"range"})
_OWN = (b"x-forwarded-", b"x-minimesh-")
_NOT_GIVEN = frozenset({b"content-length", b"date", b"server", b"trailer"})

Where = Callable[[], "Destination | None"]
"""Whom to ask, as it is just now."""


class Forwards:
    """A provider with `forward`. where: who is asked; traceparent: for one more request."""

    def __init__(
        self, spec: Provider, forward: Forward, where: Where, wheel: Wheel, traceparent: Callable[[], bytes]
    ) -> None:
        self.spec = spec
        self.hidden = None
        self.slot = self.challenge = b""
        self._forward = forward
        self._where = where
        self._wheel = wheel
        self.traceparent = traceparent
        parts = urlsplit(forward.url)
        self._authority = parts.netloc.encode()
        self._target = (parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b"")
        self._copy = tuple(name.encode() for name in forward.copy)

    def check(self, shown: Shown, asked: Asked, tell: Tell) -> Outcome | Wait:
        service = self._where()
        if service is None:
            return Unavailable(f"{self._forward.url} is nowhere")
        question = _Ask(self, asked, tell)
        question.ask(service, self._wheel, self._forward.timeout)
        if question.early is None:
            asked.on_leave = question.let_go
            question.waited_for = True
            return WAIT
        return question.early

    def question(self, asked: Asked) -> Wanted:
        head = asked.head
        own = self._copy
        passed = (pair for pair in head.fields.pairs if not (pair[0] in _NOT_TOLD or pair[0].startswith(_OWN)))
        client = asked.server.peer.rpartition(":")[0].encode()
        told = (
            (b"x-forwarded-method", head.method),
            (b"x-forwarded-proto", b"http"),
            (b"x-forwarded-host", head.authority),
            (b"x-forwarded-uri", head.target),
            (b"x-forwarded-for", client),
        )
        fields = (*(pair for pair in passed if pair[0] not in own), *told)
        return Wanted(self._target, self._authority, fields)

    def outcome(self, asked: Asked, status: int, fields: Pairs, body: bytes) -> Outcome:
        if 200 <= status < 300:
            copied = tuple(pair for pair in fields if pair[0] in self._copy)
            claims = {name.decode(): value.decode("latin-1") for name, value in copied}
            return Known(claims, next(iter(claims.values()), ""), fields=copied)
        said = f"{self._forward.url} answered with status {status}"
        if status >= 500 or status < 200:
            return Unavailable(said)
        reason = CREDENTIALS_BAD if status == 401 else ACCESS_DENIED
        if asked.head.grpc:
            return Refusal(reason, said, str(self.spec.where))
        kept = tuple(pair for pair in fields if pair[0] not in _NOT_GIVEN and not pair[0].startswith(b"x-minimesh-"))
        return Reply(reason, status, kept, body)

    def silent(self, why: str) -> Unavailable:
        return Unavailable(f"{self._forward.url} did not answer: {why}")


class _Ask(Question):
    """waited_for: whoever asked has gone on to other things. early: what was known before that."""

    def __init__(self, forwards: Forwards, asked: Asked, tell: Tell) -> None:
        super().__init__(forwards.question(asked), forwards.traceparent(), MOST_ANSWERED)
        self.waited_for = False
        self.early: Outcome = None
        self._forwards = forwards
        self._asked = asked
        self._tell = tell

    def answered(self, status: int, fields: Pairs, body: bytes) -> None:
        self._say(self._forwards.outcome(self._asked, status, fields, body))

    def failed(self, detail: str) -> None:
        self.let_go()
        self._say(self._forwards.silent(detail))

    def _say(self, outcome: Outcome) -> None:
        if self.waited_for:
            self._tell(outcome)
        else:
            self.early = outcome
