"""Names and passwords: hashed slowly, so by a worker, and then remembered by another hash."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from hashlib import blake2b

from minimesh.dataplane.auth.checker import Outcome, Source, Tell, Unavailable
from minimesh.dataplane.gates import WAIT, Asked, Wait
from minimesh.model.auth import SUBJECT, BadCredentialError, Basic, Flaw, Known, Provider
from minimesh.policy.claimfields import fields_of
from minimesh.policy.shown import Shown

MOST_KNOWN = 4096
MOST_AT_ONCE = 2
"""Passwords that are being hashed; others wait, for more at once would only take the machine's cores."""
MOST_WAITING = 64

Check = Callable[[Mapping[str, str], str, bytes], bool]
"""Whether somebody of these users has this password (identity/passwords.py)."""
Offload = Callable[[Callable[[], bool], Callable[[bool], None]], None]
"""Does work elsewhere, and tells on the loop what came of it."""


class Passwords:
    """A provider with `basic`. users: hashes by name. secret: the key of what is remembered, which tells nobody the
    password."""

    def __init__(
        self,
        spec: Provider,
        basic: Basic,
        users: Source[Mapping[str, str]],
        check: Check,
        offload: Offload,
        secret: bytes,
    ) -> None:
        self.spec = spec
        self.hidden = None if spec.pass_on else b"authorization"
        self.slot = b"Basic"
        self.challenge = b'Basic realm="%b", charset="UTF-8"' % basic.realm.encode()
        self._users = users
        self._check = check
        self._offload = offload
        self._secret = secret
        self._known: dict[bytes, Known] = {}
        self._busy = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def check(self, shown: Shown, asked: Asked, tell: Tell) -> Outcome | Wait:
        try:
            password = shown.password()
        except BadCredentialError as error:
            return error
        if password is None:
            return None
        return self._look_up(*password, tell)

    def _look_up(self, name: str, password: bytes, tell: Tell) -> Outcome | Wait:
        users = self._users.value
        if users is None:
            if self._users.look(lambda: self._again(name, password, tell)):
                return WAIT
            return Unavailable(f"the users of {self.spec.name} are not known: {self._users.problem}")
        # With the hash in it: whoever gets another password, or leaves the file, is not remembered any more.
        remembered = self._digest(name.encode(), password, users.get(name, "").encode())
        known = self._known.get(remembered)
        if known is not None:
            return known
        if len(self._waiting) >= MOST_WAITING:
            return Unavailable(f"{MOST_WAITING} passwords are waiting to be checked")

        def done(good: bool) -> None:
            self._busy -= 1
            if self._waiting:
                self._waiting.popleft()()
            tell(self._remember(remembered, name) if good else _wrong())

        def begin() -> None:
            self._busy += 1
            self._offload(lambda: self._check(users, name, password), done)

        if self._busy < MOST_AT_ONCE:
            begin()
        else:
            self._waiting.append(begin)
        return WAIT

    def _again(self, name: str, password: bytes, tell: Tell) -> None:
        outcome = self._look_up(name, password, tell)
        if outcome is not WAIT:
            tell(outcome)

    def _digest(self, *parts: bytes) -> bytes:
        hashed = blake2b(key=self._secret, digest_size=32)
        for part in parts:
            hashed.update(b"%d:" % len(part) + part)
        return hashed.digest()

    def _remember(self, remembered: bytes, name: str) -> Known:
        claims = {SUBJECT: name}
        known = Known(claims, name, fields=fields_of(claims, self.spec.copy))
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[remembered] = known
        return known


def _wrong() -> BadCredentialError:
    return BadCredentialError(Flaw.PASSWORD, "there is no user with this name and password")
