"""Signed tokens: checked once, and then remembered until they expire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Protocol

from minimesh.dataplane.auth.checker import Outcome, Source, Tell, Unavailable
from minimesh.dataplane.gates import WAIT, Asked, Wait
from minimesh.model.auth import SUBJECT, BadCredentialError, Flaw, Jwt, Known, Provider
from minimesh.policy.claimfields import fields_of
from minimesh.policy.claims import check_claims, check_issuer
from minimesh.policy.shown import Shown
from minimesh.policy.token import Token, read_token

MOST_KNOWN = 4096
"""Tokens that are remembered, for each provider."""


class Keys(Protocol):
    """Those of one issuer, as they are just now (identity/keyset.py)."""

    def verify(self, token: bytes, algorithm: str, key_id: str | None) -> None:
        """Raises BadCredentialError."""
        ...


class Tokens:
    """A provider with `jwt`. sources: by issuer."""

    def __init__(
        self, spec: Provider, rules: Jwt, sources: Mapping[str, Source[Keys]], wall: Callable[[], float]
    ) -> None:
        self.spec = spec
        self.hidden = None if spec.pass_on else b"authorization"
        self.slot = self.challenge = b"Bearer"
        self._rules = rules
        self._sources = sources
        self._wall = wall
        self._known: dict[bytes, tuple[Known, Keys]] = {}

    def check(self, shown: Shown, asked: Asked, tell: Tell) -> Outcome | Wait:
        text = shown.token
        if text is None:
            return None
        digest = sha256(text).digest()
        found = self._known.get(digest)
        if found is not None:
            known, keys = found
            if known.until > self._wall() and any(source.value is keys for source in self._sources.values()):
                return known
            del self._known[digest]
        try:
            return self._verify(text, digest, tell)
        except BadCredentialError as error:
            return error

    def _verify(self, text: bytes, digest: bytes, tell: Tell) -> Known | Unavailable | Wait:
        token = read_token(text)
        if token.algorithm not in self._rules.algorithms:
            self._check_algorithm(token)
        check_issuer(token.claims, self._rules)
        source = self._sources[str(token.claims["iss"])]

        def again() -> None:
            try:
                tell(self._signed(token, digest, source))
            except BadCredentialError as error:
                tell(error)

        try:
            if source.value is not None:
                return self._signed(token, digest, source)
        except BadCredentialError as error:
            if error.flaw is not Flaw.UNKNOWN_KEY or not source.look(again):
                raise
            return WAIT
        return WAIT if source.look(again) else self._signed(token, digest, source)

    def _check_algorithm(self, token: Token) -> None:
        """Says why an algorithm is not taken."""
        name = token.algorithm
        if name.lower() == "none":
            why = "it is not signed"
        elif name.startswith("HS"):
            why = "it is signed with a shared secret, not with a key of its issuer's own"
        else:
            why = f"it is signed otherwise than with {', '.join(self._rules.algorithms)}"
        raise BadCredentialError(Flaw.ALGORITHM, f"the token is not taken: {why}")

    def _signed(self, token: Token, digest: bytes, source: Source[Keys]) -> Known | Unavailable:
        """Raises BadCredentialError."""
        keys = source.value
        if keys is None:
            return Unavailable(f"the keys of {self.spec.name} could not be had: {source.problem}")
        keys.verify(token.text, token.algorithm, token.key_id)
        until = check_claims(token.claims, self._rules, self._wall())
        subject = token.claims.get(SUBJECT, "")
        known = Known(token.claims, str(subject), until, fields_of(token.claims, self.spec.copy))
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[digest] = known, keys
        return known
