"""Who is the user? The gate that asks the providers in turn, and says what is missing or wrong.

A credential that is shown must be good, whatever else is shown beside it; where several providers look at the same one,
one of them has to know it. A program that decides (`forward`) is asked where nobody here knew the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minimesh.dataplane.auth.checker import Checker, Outcome, Unavailable
from minimesh.dataplane.gates import WAIT, Asked, Gate, Refusal, Reply, Side, Verdict, Wait
from minimesh.dataplane.heads import Pairs
from minimesh.model import snapshot
from minimesh.model.auth import Auth, BadCredentialError, Flaw, Known, Missing, Provider
from minimesh.model.reason import AUTH_UNAVAILABLE, CREDENTIALS_BAD, CREDENTIALS_MISSING, Reason
from minimesh.model.route import Route
from minimesh.policy.shown import Shown, shown_by

BEARER = b"Bearer"
_NO_AUTH = Auth(missing=Missing.ANONYMOUS)


class AuthGate:
    """Of one route. made: fields that nobody but the mesh may send, besides those of the providers."""

    def __init__(self, auth: Auth, checkers: Sequence[Checker], made: Sequence[str] = ()) -> None:
        self.checkers = checkers
        self._auth = auth
        hidden = (checker.hidden for checker in checkers if checker.hidden is not None)
        own = [name for provider in auth.providers for name in provider.made]
        self._removed = frozenset((*hidden, *(each for name in (*own, *made) for each in _spellings(name))))

    def ask(self, asked: Asked) -> Verdict | Wait:
        asked.removed |= self._removed
        if not self.checkers:
            return None
        try:
            shown = shown_by(asked.head.fields.pairs)
        except BadCredentialError as error:
            return self.bad(error)
        return _Question(self, asked, shown).go_on()

    def missing(self) -> Refusal | None:
        if self._auth.missing is Missing.ANONYMOUS:
            return None
        names = ", ".join(checker.spec.name for checker in self.checkers)
        return self._refusal(CREDENTIALS_MISSING, f"no credential for {names}", self._challenges())

    def bad(self, error: BadCredentialError) -> Refusal:
        return self._refusal(CREDENTIALS_BAD, error.detail, self._challenges(error.flaw))

    def unavailable(self, detail: str) -> Refusal:
        return self._refusal(AUTH_UNAVAILABLE, detail, ((b"retry-after", b"1"),))

    def _refusal(self, reason: Reason, detail: str, fields: Pairs) -> Refusal:
        return Refusal(reason, detail, str(self._auth.where), fields)

    def _challenges(self, flaw: Flaw | None = None) -> Pairs:
        """How one may show who one is (RFC 9110, section 11.6.1), and what was wrong with it (RFC 6750, section 3)."""
        wrong = b"" if flaw is None else b' error="invalid_token", error_description="%b"' % flaw.encode()
        words = dict.fromkeys(checker.challenge for checker in self.checkers if checker.challenge)
        return tuple((b"www-authenticate", word + wrong if word == BEARER else word) for word in words)


def _spellings(name: str) -> list[bytes]:
    """All that a program behind CGI or WSGI takes for the field: there "-" and "_" are one (RFC 3875, 4.1.18)."""
    parts = name.encode().replace(b"_", b"-").split(b"-")
    spelled = [parts[0]]
    for part in parts[1:]:
        spelled = [before + mark + part for before in spelled for mark in (b"-", b"_")]
    return spelled


class _Question:
    """One request at the gate, while the providers are asked."""

    __slots__ = ("_asked", "_bad", "_found", "_gate", "_good", "_next", "_shown")

    def __init__(self, gate: AuthGate, asked: Asked, shown: Shown) -> None:
        self._gate = gate
        self._asked = asked
        self._shown = shown
        self._next = 0
        self._found: Known | None = None
        self._good: set[bytes] = set()
        self._bad: dict[bytes, BadCredentialError] = {}

    def go_on(self) -> Verdict | Wait:
        checkers = self._gate.checkers
        while self._next < len(checkers):
            checker = checkers[self._next]
            if not checker.slot and (self._found or self._bad):
                break
            self._next += 1
            outcome = checker.check(self._shown, self._asked, self._tell)
            if outcome is WAIT:
                return WAIT
            verdict = self._take(checker, outcome)
            if verdict is not None:
                return verdict
        return self._end()

    def _tell(self, outcome: Outcome) -> None:
        """Of the provider that had to find out first."""
        verdict: Verdict | Wait = self._take(self._gate.checkers[self._next - 1], outcome)
        if verdict is None:
            verdict = self.go_on()
        if not isinstance(verdict, Wait):
            self._asked.go_on(verdict)

    def _take(self, checker: Checker, outcome: Outcome | Wait) -> Verdict:
        match outcome:
            case Known():
                self._good.add(checker.slot)
                self._found = self._found or outcome
            case BadCredentialError():
                before = self._bad.get(checker.slot)
                if before is None or before.flaw is Flaw.ISSUER:
                    self._bad[checker.slot] = outcome
            case Unavailable():
                return self._gate.unavailable(outcome.detail)
            case Refusal() | Reply():
                return outcome
        return None

    def _end(self) -> Verdict:
        for slot, error in self._bad.items():
            if slot not in self._good:
                return self._gate.bad(error)
        found = self._found
        if found is not None:
            asked = self._asked
            asked.claims = {**asked.claims, **found.claims} if asked.claims else found.claims
            asked.subject = found.subject or asked.subject
            asked.added += found.fields
            return None
        if self._shown.scheme == b"bearer" and any(each.challenge == BEARER for each in self._gate.checkers):
            return self._gate.bad(BadCredentialError(Flaw.MALFORMED, "no provider here takes such a bearer token"))
        return self._gate.missing()


class AuthKeeper:
    """Makes these gates for one side of a call. checker_of: a provider, as it runs."""

    def __init__(self, side: Side, checker_of: Callable[[Provider], Checker]) -> None:
        self.side = side
        self._checker_of = checker_of

    def gates(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Gate]:
        made: Sequence[str] = ()
        if self.side is Side.SERVICE:
            auth = upstream.auth
        else:
            auth, made = listener.auth if route.auth is None else route.auth, listener.made
        providers = auth.providers if auth is not None else ()
        if not providers and not made:
            return ()
        # Programs that decide come last: they are asked where nobody here knows the user.
        checkers = sorted(map(self._checker_of, providers), key=lambda checker: not checker.slot)
        return (AuthGate(auth or _NO_AUTH, checkers, made),)
