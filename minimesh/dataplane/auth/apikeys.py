"""Keys of programs: looked up at each request, so that one that is revoked is so at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minimesh.dataplane.auth.checker import Outcome, Tell
from minimesh.dataplane.gates import Asked
from minimesh.model.auth import SUBJECT, ApiKey, BadCredentialError, Keys, Known, Provider
from minimesh.policy.apikey import find_key
from minimesh.policy.claimfields import fields_of
from minimesh.policy.shown import Shown, only

AUTHORIZATION = "authorization"


class ApiKeys:
    """A provider with `keys`. ring: the keys there are, by id; it changes under us."""

    def __init__(
        self, spec: Provider, keys: Keys, ring: Callable[[], Mapping[str, ApiKey]], wall: Callable[[], float]
    ) -> None:
        self.spec = spec
        self._header = keys.header.encode()
        self.hidden = None if spec.pass_on else self._header
        self.slot = self._header
        self.challenge = b"Bearer" if keys.header == AUTHORIZATION else b""
        self._as_bearer = keys.header == AUTHORIZATION
        self._ring = ring
        self._wall = wall

    def check(self, shown: Shown, asked: Asked, tell: Tell) -> Outcome:
        try:
            text = shown.key if self._as_bearer else only(asked.head.fields.pairs, self._header)
            if not text:
                return None
            key = find_key(text, self._ring(), self._wall())
        except BadCredentialError as error:
            return error
        claims = {**key.claims, SUBJECT: key.name}
        return Known(claims, key.name, fields=fields_of(claims, self.spec.copy))
