"""Tokens that are good, and many that are not: each is refused for the right reason."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from minimesh.dataplane.auth.bearer import MOST_KNOWN, Keys, Tokens
from minimesh.dataplane.auth.checker import Outcome
from minimesh.dataplane.gates import WAIT, Asked, Wait
from minimesh.dataplane.heads import RequestHead
from minimesh.identity.devkey import DevKeyError, dev_key_set, new_dev_key, signed
from minimesh.identity.keyset import KeySetError, read_key_set
from minimesh.model.auth import ALGORITHMS, DEV_ISSUER, Algorithm, BadCredentialError, Flaw, Jwt, Known, Provider
from minimesh.policy.shown import Shown
from minimesh.policy.token import LARGEST
from tests.unit.auth.issuer import ISSUER, NOW, claims, dump, key_set, part, raw, signers, token


class Source:
    """Keys that come when they are looked for, if `later` says so."""

    problem = "it is not there"

    def __init__(self, text: bytes | None, later: bytes | None = None) -> None:
        self.value: Keys | None = read_key_set(text) if text is not None else None
        self.later = later
        self.looked: list[Callable[[], None]] = []

    def look(self, then: Callable[[], None]) -> bool:
        self.looked.append(then)
        return self.later is not None

    def come(self) -> None:
        assert self.later is not None
        self.value, self.later = read_key_set(self.later), None
        self.looked.pop()()


class Mesh:
    """A provider at a time. outcomes: what it told later."""

    def __init__(
        self, rules: Jwt, source: Source, dev: Source | None = None, copy: dict[str, str] | None = None
    ) -> None:
        self.now = NOW
        self.outcomes: list[Outcome] = []
        sources = {ISSUER: source} | ({DEV_ISSUER: dev} if dev else {})
        self.tokens = Tokens(Provider("users", rules, copy or {}), rules, sources, lambda: self.now)

    def check(self, text: bytes) -> Outcome | Wait:
        return self.tokens.check(Shown(b"bearer", text), _ASKED, self.outcomes.append)


class Nobody:
    def gates_passed(self) -> None: ...
    def gates_closed(self, verdict: object) -> None: ...
    def hold_back(self) -> None: ...


_ASKED = Asked(Nobody(), (), RequestHead(b"GET", b"/", b""), None, 0.0)  # type: ignore[arg-type]  # nobody looks at it
RULES = Jwt(ISSUER, "https://id.example.test/keys", ("shop",), 30.0)


def mesh(rules: Jwt = RULES) -> Mesh:
    return Mesh(rules, Source(key_set()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_is_taken(algorithm: Algorithm) -> None:
    name = next(
        each.key_id for each in signers().values() if each.algorithm == algorithm or algorithm[:2] in ("RS", "PS")
    )
    known = mesh().check(token(name, algorithm=algorithm))
    assert isinstance(known, Known)
    assert (known.subject, known.claims["plan"], known.until) == ("ann", "paid", NOW + 330)


def header(**changes: object) -> bytes:
    return dump({"alg": "ES256", "typ": "JWT", "kid": "p256", **changes})


def shared_secret(algorithm: str = "HS256") -> bytes:
    """Signed with a secret that everybody knows: the issuer's public key, as it is published."""
    public = signers()["rsa"].key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    start = b".".join((part(header(alg=algorithm, kid="rsa")), part(dump(claims()))))
    return start + b"." + part(hmac.new(public, start, sha256).digest())


def changed(text: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    parts = text.split(b".")
    parts[number] = change(parts[number])
    return b".".join(parts)


def with_own_key() -> bytes:
    strange = signers()["strange"]
    own = {"kid": "p256", "jwk": strange.public, "jku": "https://evil.test/keys", "x5u": "https://evil.test/cert"}
    return jwt.encode(claims(), strange.key, "ES256", own).encode()


BAD: dict[str, tuple[Callable[[], bytes], Flaw]] = {
    # --- its form
    "nothing": (lambda: b"", Flaw.MALFORMED),
    "a word": (lambda: b"letmein", Flaw.MALFORMED),
    "two parts": (lambda: b".".join(token().split(b".")[:2]), Flaw.MALFORMED),
    "four parts": (lambda: token() + b".x", Flaw.MALFORMED),
    "five parts, encrypted": (lambda: b"a.b.c.d.e", Flaw.ENCRYPTED),
    "padded": (lambda: changed(token(), 1, lambda text: text + b"=" * (-len(text) % 4) + b"="), Flaw.MALFORMED),
    "base64, not base64url": (lambda: raw(header(), dump(claims())).replace(b"_", b"/") + b"+", Flaw.MALFORMED),
    "one character too many": (
        lambda: changed(token(), 0, lambda text: text + b"A" * (5 - len(text) % 4)),
        Flaw.MALFORMED,
    ),
    "spaces inside": (lambda: token().replace(b".", b" .", 1), Flaw.MALFORMED),
    "header no JSON": (lambda: raw(b"{alg:ES256}", dump(claims())), Flaw.MALFORMED),
    "header a list": (lambda: raw(b"[]", dump(claims())), Flaw.MALFORMED),
    "payload a text": (lambda: raw(header(), b'"ann"'), Flaw.MALFORMED),
    "payload not UTF-8": (lambda: raw(header(), b'{"sub":"\xff"}'), Flaw.MALFORMED),
    "not a number": (lambda: raw(header(), dump(claims()).replace(b'"paid"', b"NaN")), Flaw.MALFORMED),
    "nested without end": (lambda: raw(header(), b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), Flaw.MALFORMED),
    "nested too deep": (lambda: raw(header(), b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"), Flaw.MALFORMED),
    "oversized": (lambda: token(said=claims(more="x" * LARGEST)), Flaw.TOO_LARGE),
    "a claim twice": (lambda: raw(header(), dump(claims())[:-1] + b', "sub": "root"}'), Flaw.DUPLICATE),
    "alg twice": (lambda: raw(header()[:-1] + b', "alg": "none"}', dump(claims())), Flaw.DUPLICATE),
    "a name twice, further in": (
        lambda: raw(header(), dump(claims())[:-1] + b', "a": {"b": 1, "b": 2}}'),
        Flaw.DUPLICATE,
    ),
    # --- how it is signed
    "no alg": (lambda: raw(dump({"kid": "p256"}), dump(claims())), Flaw.MALFORMED),
    "alg a number": (lambda: raw(header(alg=256), dump(claims())), Flaw.MALFORMED),
    "kid a list": (lambda: raw(header(kid=["p256"]), dump(claims())), Flaw.MALFORMED),
    "none": (lambda: raw(header(alg="none"), dump(claims()), b""), Flaw.ALGORITHM),
    "NoNe": (lambda: raw(header(alg="NoNe"), dump(claims()), b""), Flaw.ALGORITHM),
    "none, signed all the same": (lambda: raw(header(alg="none"), dump(claims())), Flaw.ALGORITHM),
    "public key as a shared secret": (shared_secret, Flaw.ALGORITHM),
    "HS512": (lambda: shared_secret("HS512"), Flaw.ALGORITHM),
    "ES256K": (lambda: raw(header(alg="ES256K"), dump(claims())), Flaw.ALGORITHM),
    "in lower case": (lambda: raw(header(alg="es256"), dump(claims())), Flaw.ALGORITHM),
    "an algorithm of another key": (lambda: raw(header(alg="RS256"), dump(claims())), Flaw.ALGORITHM),
    "an algorithm of another curve": (lambda: raw(header(alg="ES384"), dump(claims())), Flaw.ALGORITHM),
    "no signature": (lambda: raw(header(), dump(claims()), b""), Flaw.SIGNATURE),
    "signature of another length": (lambda: raw(header(), dump(claims()), b"x" * 65), Flaw.SIGNATURE),
    "signature of zeros": (lambda: raw(header(), dump(claims()), b"\0" * 64), Flaw.SIGNATURE),
    "signature in DER": (
        lambda: raw(header(), dump(claims()), bytes.fromhex("3006020101020101").ljust(64, b"\0")),
        Flaw.SIGNATURE,
    ),
    "claims changed": (
        lambda: changed(token(), 1, lambda _: part(dump(claims(sub="root")))),
        Flaw.SIGNATURE,
    ),
    "header changed": (lambda: changed(token(), 0, lambda _: part(header(x=1))), Flaw.SIGNATURE),
    "signed by a stranger": (lambda: token("strange", header={"kid": "p256"}), Flaw.SIGNATURE),
    "signed by a stranger, no kid": (lambda: token("strange", header={"kid": None}), Flaw.SIGNATURE),
    "brings its own key": (with_own_key, Flaw.SIGNATURE),
    "kid of nobody": (lambda: token("strange"), Flaw.UNKNOWN_KEY),
    "kid a path": (lambda: token(header={"kid": "../../../dev/null"}), Flaw.UNKNOWN_KEY),
    "kid that asks a database": (lambda: token(header={"kid": "x' UNION SELECT 'secret"}), Flaw.UNKNOWN_KEY),
    "critical extension": (lambda: token(header={"crit": ["exp"], "exp": NOW}), Flaw.CRITICAL),
    "crit empty": (lambda: token(header={"crit": []}), Flaw.CRITICAL),
    "b64": (lambda: raw(header(b64=False, crit=["b64"]), dump(claims())), Flaw.CRITICAL),
    "b64 without crit": (lambda: raw(header(b64=False), dump(claims())), Flaw.CRITICAL),
    "a token of another sort": (lambda: token(header={"typ": "dpop+jwt"}), Flaw.TYPE),
    "a logout token": (lambda: token(header={"typ": "logout+jwt"}), Flaw.TYPE),
    # --- what it claims
    "expired": (lambda: token(said=claims(exp=NOW - 31)), Flaw.EXPIRED),
    "expired long ago": (lambda: token(said=claims(exp=0)), Flaw.EXPIRED),
    "never expires": (lambda: token(said=claims(exp=None)), Flaw.CLAIM),
    "exp a text": (lambda: raw(header(), dump(claims(exp=str(NOW + 300)))), Flaw.CLAIM),
    "exp true": (lambda: raw(header(), dump(claims(exp=True))), Flaw.CLAIM),
    "exp null": (lambda: raw(header(), dump({**claims(), "exp": None})), Flaw.CLAIM),
    "exp without end": (lambda: raw(header(), dump(claims(exp="E")).replace(b'"E"', b"1e999")), Flaw.CLAIM),
    "exp beyond all calendars": (lambda: raw(header(), dump(claims(exp=10**30))), Flaw.CLAIM),
    "exp of a thousand digits": (lambda: raw(header(), dump(claims(exp=10**1000))), Flaw.CLAIM),
    "exp of too many digits": (
        lambda: raw(header(), dump(claims(exp="E")).replace(b'"E"', b"9" * 5000)),
        Flaw.MALFORMED,
    ),
    "exp before 1970": (lambda: token(said=claims(exp=-1)), Flaw.CLAIM),
    "not yet": (lambda: token(said=claims(nbf=NOW + 31)), Flaw.NOT_YET),
    "nbf a text": (lambda: raw(header(), dump(claims(nbf="soon"))), Flaw.CLAIM),
    "issued tomorrow": (lambda: token(said=claims(iat=NOW + 86_400)), Flaw.NOT_YET),
    "of another issuer": (lambda: token(said=claims(iss="https://evil.test")), Flaw.ISSUER),
    "of an issuer with a longer name": (lambda: token(said=claims(iss=ISSUER + "/")), Flaw.ISSUER),
    "of no issuer": (lambda: token(said=claims(iss=None)), Flaw.ISSUER),
    "of two issuers": (lambda: raw(header(), dump(claims(iss=[ISSUER]))), Flaw.ISSUER),
    "of development, where that does not count": (lambda: token(said=claims(iss=DEV_ISSUER)), Flaw.ISSUER),
    "for another audience": (lambda: token(said=claims(aud="bank")), Flaw.AUDIENCE),
    "for others": (lambda: token(said=claims(aud=["bank", "shop2"])), Flaw.AUDIENCE),
    "for nobody": (lambda: token(said=claims(aud=None)), Flaw.AUDIENCE),
    "for none of a list": (lambda: token(said=claims(aud=[])), Flaw.AUDIENCE),
    "audience a number": (lambda: raw(header(), dump(claims(aud=7))), Flaw.AUDIENCE),
    "audience with a number": (lambda: raw(header(), dump(claims(aud=["shop", 7]))), Flaw.AUDIENCE),
    "subject a number": (lambda: raw(header(), dump(claims(sub=7))), Flaw.CLAIM),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_for_the_right_reason(name: str) -> None:
    make, flaw = BAD[name]
    text = make()
    outcome = mesh().check(text)
    assert isinstance(outcome, BadCredentialError), outcome
    assert outcome.flaw is flaw, outcome.detail
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 500
    assert not text or text.decode("latin-1") not in outcome.detail, "a credential is never told"


def test_there_are_enough_bad_ones() -> None:
    assert len(BAD) >= 40
    shown_otherwise = {Flaw.AMBIGUOUS, Flaw.REVOKED, Flaw.PASSWORD}
    assert {flaw for _, flaw in BAD.values()} == set(Flaw) - shown_otherwise


@pytest.mark.parametrize(
    "said",
    [
        claims(exp=NOW - 29),
        claims(nbf=NOW + 29),
        claims(iat=NOW + 29),
        claims(exp=NOW + 0.5, nbf=NOW - 0.5),
        claims(aud=["bank", "shop"]),
        claims(sub=None),
        claims(iat=None),
    ],
)
def test_at_the_edge_of_what_is_good(said: dict[str, object]) -> None:
    assert isinstance(mesh().check(token(said=said)), Known)


def test_an_audience_that_nobody_has_is_no_matter_only_where_there_is_none() -> None:
    none = mesh(Jwt(ISSUER, "x", (), 30.0))
    assert isinstance(none.check(token(said=claims(aud=None))), Known)
    refused = none.check(token())
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.AUDIENCE


def test_only_the_algorithms_that_are_named() -> None:
    only = mesh(Jwt(ISSUER, "x", ("shop",), algorithms=(Algorithm.EDDSA,)))
    assert isinstance(only.check(token("ed")), Known)
    refused = only.check(token("p256"))
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.ALGORITHM


def test_a_key_that_says_its_algorithm_has_no_other() -> None:
    source = Source(key_set("rsa", alg="RS256"))
    narrow = Mesh(RULES, source)
    assert isinstance(narrow.check(token("rsa")), Known)
    refused = narrow.check(token("rsa", algorithm="PS256"))
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.ALGORITHM


def test_a_token_is_remembered_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[bytes] = []
    source = Source(key_set())
    assert source.value is not None
    verify = source.value.verify
    play = Mesh(RULES, source, copy={"x-user": "sub", "x-plan": "plan"})

    def counted(text: bytes, algorithm: str, key_id: str | None) -> None:
        verified.append(text)
        verify(text, algorithm, key_id)

    monkeypatch.setattr(type(source.value), "verify", lambda self, *parts: counted(*parts))
    text = token()
    first = play.check(text)
    assert isinstance(first, Known)
    assert first.fields == ((b"x-user", b"ann"), (b"x-plan", b"paid"))
    assert play.check(text) is first
    assert len(verified) == 1
    play.now = NOW + 331
    expired = play.check(text)
    assert isinstance(expired, BadCredentialError)
    assert expired.flaw is Flaw.EXPIRED


def test_what_was_signed_with_a_key_that_is_gone_is_not_remembered() -> None:
    source = Source(key_set())
    play = Mesh(RULES, source)
    assert isinstance(play.check(token()), Known)
    source.value = read_key_set(key_set("rsa"))
    refused = play.check(token())
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.UNKNOWN_KEY


def test_not_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimesh.dataplane.auth.bearer.MOST_KNOWN", 3)
    assert MOST_KNOWN > 3
    play = mesh()
    for number in range(9):
        assert isinstance(play.check(token(said=claims(jti=str(number)))), Known)
    assert len(play.tokens._known) == 3


def test_an_unknown_key_is_looked_for_once() -> None:
    source = Source(key_set("rsa"), later=key_set())
    play = Mesh(RULES, source)
    assert play.check(token()) is WAIT
    source.come()
    assert isinstance(play.outcomes.pop(), Known)
    refused = play.check(token("strange"))
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.UNKNOWN_KEY


def test_keys_that_were_never_there_are_waited_for() -> None:
    source = Source(None, later=key_set())
    play = Mesh(RULES, source)
    assert play.check(token()) is WAIT
    source.come()
    assert isinstance(play.outcomes.pop(), Known)
    assert type(Mesh(RULES, Source(None)).check(token())).__name__ == "Unavailable"


def test_what_is_no_token_is_not_looked_at() -> None:
    play = mesh()
    for shown in (Shown(), Shown(b"basic", b"YTpi"), Shown(b"bearer", b"mmk_abcdefgh_x")):
        assert play.tokens.check(shown, _ASKED, play.outcomes.append) is None


# --- sets of keys


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "no list"),
        (b'{"keys": {}}', "no list"),
        (b'{"keys": []}', "no key"),
        (b"[" * 100_000, "not JSON"),
        (b'{"keys": [7]}', "not a JSON object"),
        (dump({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), "shared secret"),
        (dump({"keys": [{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}]}), "algorithm"),
        (dump({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}), "no key"),
        (dump({"keys": [{"kty": "EC", "crv": "P-256"}]}), "no key"),
        (dump({"keys": [{"kty": "OKP", "crv": "X25519", "x": "AA"}]}), "algorithm"),
        (dump({"keys": [{"kty": "XYZ"}]}), "kind"),
        (dump({"keys": [{"kty": ["RSA"]}]}), "kind"),
        (dump({"keys": [{}] * 101}), "101 keys"),
    ],
)
def test_what_is_no_set_of_keys(text: bytes, why: str) -> None:
    with pytest.raises(KeySetError, match=why):
        read_key_set(text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"use": "enc"}, "not for signatures"),
        ({"key_ops": ["sign"]}, "not for signatures"),
        ({"key_ops": "verify"}, "not for signatures"),
        ({"kid": 7}, "kid"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "RS256"}, "algorithm"),
    ],
)
def test_a_key_that_is_not_for_us_is_left_out(change: dict[str, object], why: str) -> None:
    keys = [{**signers()["p256"].public, **change}, signers()["ed"].public]
    found = read_key_set(dump({"keys": keys}))
    assert [key.key_id for key in found.keys] == ["ed"]
    assert why in found.ignored[0]


def test_a_small_key_is_left_out() -> None:
    found = read_key_set(key_set("small", "ed"))
    assert [key.key_id for key in found.keys] == ["ed"]
    assert "2048" in found.ignored[0]


def test_the_private_half_of_a_key_is_not_looked_at() -> None:
    private = {**signers()["p256"].public, "d": "not even base64!"}
    keys = read_key_set(dump({"keys": [private]}))
    keys.verify(token(), "ES256", "p256")


# --- tokens of development


def test_a_development_token_counts_where_the_provider_says_so() -> None:
    pem = new_dev_key()
    dev = Source(None)
    dev.value = dev_key_set(pem)
    text = signed(pem, claims(iss=DEV_ISSUER)).encode()
    play = Mesh(Jwt(ISSUER, "x", ("shop",), dev=True), Source(key_set()), dev)
    assert isinstance(play.check(text), Known)
    assert isinstance(play.check(token()), Known)
    other = signed(new_dev_key(), claims(iss=DEV_ISSUER)).encode()
    refused = play.check(other)
    assert isinstance(refused, BadCredentialError)
    assert refused.flaw is Flaw.UNKNOWN_KEY


def test_the_issuer_cannot_speak_for_development_nor_it_for_the_issuer() -> None:
    pem = new_dev_key()
    dev = Source(None)
    dev.value = dev_key_set(pem)
    play = Mesh(Jwt(ISSUER, "x", ("shop",), dev=True), Source(key_set()), dev)
    for text in (signed(pem, claims()).encode(), token(said=claims(iss=DEV_ISSUER))):
        refused = play.check(text)
        assert isinstance(refused, BadCredentialError)
        assert refused.flaw is Flaw.UNKNOWN_KEY


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\n", json.dumps({}).encode()])
def test_what_is_no_development_key(pem: bytes) -> None:
    with pytest.raises(DevKeyError):
        dev_key_set(pem)
