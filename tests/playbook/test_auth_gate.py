"""The user at the gate: nothing shown, something bad, something good; one provider, several; who has to ask first."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from minimesh.dataplane.auth.apikeys import ApiKeys
from minimesh.dataplane.auth.bearer import Tokens
from minimesh.dataplane.auth.checker import Checker
from minimesh.dataplane.auth.forward import Forwards
from minimesh.dataplane.auth.gate import AuthGate
from minimesh.dataplane.auth.passwords import MOST_AT_ONCE, Passwords
from minimesh.dataplane.gates import Asked
from minimesh.dataplane.heads import Fields, RequestHead, ResponseHead
from minimesh.dataplane.streams import Fate
from minimesh.dataplane.wheel import Wheel
from minimesh.identity.keyset import KeySet, read_key_set
from minimesh.model.auth import ApiKey, Auth, Basic, Forward, Jwt, Keys, Missing, Provider
from minimesh.model.reason import UPSTREAM_RESET
from minimesh.model.where import Where
from minimesh.policy.apikey import new_key
from minimesh.testing.playbook import Playbook
from minimesh.testing.upstreams import FakePool, FakeUpstream
from tests.unit.auth.issuer import ISSUER, NOW, claims, key_set, token

WHERE = Where("minimesh.toml", 7, 1)
KEY, KEY_ID, SALT, DIGEST = new_key(lambda number: bytes(range(number)))
Pair = tuple[bytes, bytes]


class Keyring:
    """What lies elsewhere, and is there already."""

    problem = ""

    def __init__(self) -> None:
        self.value: KeySet | None = read_key_set(key_set())

    def look(self, then: Callable[[], None]) -> bool:
        return False


class Users:
    problem = ""

    def __init__(self) -> None:
        self.value = {"ann": "hash of secret"}

    def look(self, then: Callable[[], None]) -> bool:
        return False


class Stage:
    """The providers, with time and work in our hands."""

    def __init__(self) -> None:
        self.keys = {KEY_ID: ApiKey(KEY_ID, "acme", SALT, DIGEST, {"plan": "paid"})}
        self.jobs: list[Callable[[], None]] = []
        self.said: list[str] = []
        self.decider = FakeUpstream("sso", (FakePool("s", self.said.append, kept=9),))
        self.wheel = Wheel(0.0)

    def users(self, *, name: str = "users", issuer: str = ISSUER) -> Tokens:
        rules = Jwt(issuer, "x", ("shop",))
        return Tokens(Provider(name, rules, {"x-user": "sub"}, True), rules, {issuer: Keyring()}, lambda: NOW)

    def partners(self, header: str = "x-api-key") -> ApiKeys:
        keys = Keys(header)
        return ApiKeys(Provider("partners", keys, {"x-partner": "sub"}), keys, lambda: self.keys, lambda: NOW)

    def staff(self) -> Passwords:
        def check(users: object, name: str, password: bytes) -> bool:
            return (name, password) == ("ann", b"secret")

        def offload(work: Callable[[], bool], then: Callable[[bool], None]) -> None:
            self.jobs.append(lambda: then(work()))

        basic = Basic({}, "shop")
        return Passwords(Provider("staff", basic, {"x-user": "sub"}), basic, Users(), check, offload, b"k")

    def sso(self) -> Forwards:
        forward = Forward("http://sso/verify?a=b", ("x-user",))
        provider = Provider("sso", forward, pass_on=True, where=WHERE)
        return Forwards(provider, forward, lambda: self.decider, self.wheel, lambda: b"00-" + b"1" * 32 + b"-2-01")

    def answer(self, status: int, *fields: Pair, body: bytes = b"") -> None:
        stream = self.decider.pools[0].streams[-1]
        assert stream.exchange is not None
        stream.exchange.response_head(ResponseHead(status, Fields(fields), len(body)), body, True)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def gate(*checkers: Checker, missing: Missing = Missing.REFUSE) -> AuthGate:
    providers = tuple(checker.spec for checker in checkers)
    return AuthGate(Auth((), missing, WHERE, providers), checkers)


def request(*fields: Pair) -> RequestHead:
    return RequestHead(b"GET", b"/a?b=c", b"orders", Fields(fields))


def bearer(text: bytes) -> Pair:
    return b"authorization", b"Bearer " + text


def basic(text: str) -> Pair:
    return b"authorization", b"Basic " + b64encode(text.encode())


class Seen:
    """A gate behind the others that looks at what was found."""

    asked: Asked

    def ask(self, asked: Asked) -> None:
        self.asked = asked


def passes(first: AuthGate, *fields: Pair) -> tuple[Asked, tuple[Pair, ...]]:
    """What was found, and the fields that the service gets."""
    seen = Seen()
    with Playbook(kept=1, gates=(first, seen)) as play:
        play >> play.caller.begins(head=request(*fields)) << "a1 head GET /a?b=c end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    sent = play.pools["a"].streams[0].request
    assert sent is not None
    return seen.asked, sent.fields.pairs


def refused(first: AuthGate, *fields: Pair, loopback: bool = True) -> tuple[str, str, bytes]:
    """Reason, detail and WWW-Authenticate."""
    with Playbook(kept=1, gates=(first,), loopback=loopback) as play:
        play >> play.caller.begins(head=request(*fields))
        assert play.caller.stream.head is not None
        play << f"caller head {play.caller.stream.head.status} {play.caller.stream.body!r} end"
    assert loopback == (b"detail" in play.caller.stream.body)
    return play.record.reason, play.record.detail, play.caller.stream.head.fields.get(b"www-authenticate") or b""


def test_a_good_token_passes_and_says_who_it_is(stage: Stage) -> None:
    shown = bearer(token())
    asked, sent = passes(gate(stage.users()), shown, (b"x-user", b"root"), (b"a", b"b"))
    assert (asked.subject, asked.claims["plan"]) == ("ann", "paid")
    assert sent == (shown, (b"a", b"b"), (b"x-user", b"ann"))


def test_nothing_shown(stage: Stage) -> None:
    assert refused(gate(stage.users())) == (
        "credentials_missing",
        "no credential for users, minimesh.toml:7",
        b"Bearer",
    )
    _, sent = passes(gate(stage.users(), missing=Missing.ANONYMOUS), (b"x-user", b"root"), (b"x_user", b"root"))
    assert sent == (), "who is not known has not said who it is"


@pytest.mark.parametrize("missing", Missing)
def test_a_bad_credential_is_refused_whatever_is_said_of_missing_ones(stage: Stage, missing: Missing) -> None:
    reason, detail, how = refused(gate(stage.users(), missing=missing), bearer(token(said=claims(exp=1))))
    assert reason == "credentials_bad"
    assert "expired at 1970-01-01T00:00:01Z" in detail
    assert how == b'Bearer error="invalid_token", error_description="expired"'


def test_a_stranger_hears_a_code_alone(stage: Stage) -> None:
    *_, how = refused(gate(stage.users()), bearer(token(said=claims(aud="bank"))), loopback=False)
    assert how == b'Bearer error="invalid_token", error_description="audience"'


def test_two_of_a_kind_are_ambiguous(stage: Stage) -> None:
    good = bearer(token())
    assert refused(gate(stage.users()), good, good)[1].startswith("authorization is there 2 times")
    key = (b"x-api-key", KEY.encode())
    assert refused(gate(stage.partners()), key, key)[1].startswith("x-api-key is there 2 times")


@pytest.mark.parametrize("field", [b"", b"=", b" Bearer x", b"Bearer,x"])
def test_what_is_no_authorization(stage: Stage, field: bytes) -> None:
    reason = refused(gate(stage.users()), (b"authorization", field))[0]
    assert reason == ("credentials_bad" if field else "credentials_missing")


def test_another_scheme_is_not_for_us(stage: Stage) -> None:
    _, sent = passes(gate(stage.users(), missing=Missing.ANONYMOUS), (b"authorization", b"Digest x"))
    assert sent == ((b"authorization", b"Digest x"),)


# --- keys


def test_a_key_passes_and_is_not_passed_on(stage: Stage) -> None:
    asked, sent = passes(gate(stage.partners()), (b"x-api-key", KEY.encode()))
    assert (asked.subject, dict(asked.claims)) == ("acme", {"plan": "paid", "sub": "acme"})
    assert sent == ((b"x-partner", b"acme"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (KEY[:-1], "no key of"),
        ("letmein", "no key of"),
        (KEY[:-1] + ("A" if KEY[-1] != "A" else "B"), "nobody has"),
        (KEY.replace(KEY_ID, "abcdefgh"), "nobody has"),
    ],
)
def test_a_key_that_nobody_has(stage: Stage, text: str, why: str) -> None:
    reason, detail, how = refused(gate(stage.partners()), (b"x-api-key", text.encode()))
    assert (reason, how) == ("credentials_bad", b"")
    assert why in detail
    assert text not in detail


def test_a_key_that_is_revoked_or_expired_is_so_at_the_next_request(stage: Stage) -> None:
    first, shown = gate(stage.partners()), (b"x-api-key", KEY.encode())
    passes(first, shown)
    for change, why in (({"revoked": True}, "revoked"), ({"expires": NOW}, "expired at 2023-11-14T22:13:20Z")):
        stage.keys = {KEY_ID: ApiKey(KEY_ID, "acme", SALT, DIGEST, **change)}
        assert why in refused(first, shown)[1]


def test_keys_and_tokens_both_as_bearers(stage: Stage) -> None:
    both = gate(stage.users(), stage.partners("authorization"))
    assert passes(both, bearer(KEY.encode()))[0].subject == "acme"
    assert passes(both, bearer(token()))[0].subject == "ann"
    assert refused(gate(stage.partners("authorization")), bearer(token()))[0] == "credentials_bad"


# --- several


def test_either_of_two_issuers(stage: Stage) -> None:
    both = gate(stage.users(name="others", issuer="https://other.test"), stage.users())
    assert passes(both, bearer(token()))[0].subject == "ann"
    assert "was issued by" in refused(both, bearer(token(said=claims(iss="x"))))[1]
    assert "expired" in refused(both, bearer(token(said=claims(exp=1))))[1], "by the one whose token it is"


def test_a_good_one_does_not_make_up_for_a_bad_one(stage: Stage) -> None:
    both = gate(stage.partners(), stage.users())
    key = (b"x-api-key", KEY.encode())
    assert refused(both, key, bearer(token(said=claims(exp=1))))[0] == "credentials_bad"
    asked, _ = passes(both, key, bearer(token()))
    assert asked.subject == "acme", "the first that knows"


def test_what_an_earlier_gate_found_stays(stage: Stage) -> None:
    seen = Seen()
    shown = ((b"x-api-key", KEY.encode()), bearer(token(said=claims(plan=None, role="admin"))))
    with Playbook(kept=1, gates=(gate(stage.partners()), gate(stage.users()), seen)) as play:
        play >> play.caller.begins(head=request(*shown)) << "a1 head GET /a?b=c end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    assert (seen.asked.claims["plan"], seen.asked.claims["role"], seen.asked.subject) == ("paid", "admin", "ann")


# --- passwords


def test_a_password_is_hashed_elsewhere_and_then_remembered(stage: Stage) -> None:
    staff = gate(stage.staff())
    with Playbook(kept=1, gates=(staff,)) as play:
        play >> play.caller.begins(head=request(basic("ann:secret")))
        play >> play.event("hashed", stage.jobs.pop()) << "a1 head GET /a?b=c end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    asked, sent = passes(staff, basic("ann:secret"))
    assert (asked.subject, sent) == ("ann", ((b"x-user", b"ann"),))


@pytest.mark.parametrize("text", ["ann:wrong", "bob:secret", ":", "ann:"])
def test_a_wrong_password(stage: Stage, text: str) -> None:
    with Playbook(kept=1, gates=(gate(stage.staff()),)) as play:
        play >> play.caller.begins(head=request(basic(text)))
        play >> play.event("hashed", stage.jobs.pop()) << f"caller head 401 {play.caller.stream.body!r} end"
    assert play.record.reason == "credentials_bad"
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"www-authenticate") == b'Basic realm="shop", charset="UTF-8"'


@pytest.mark.parametrize("value", [b"", b"!!!", b64encode(b"ann"), b64encode(b"\xff:x")])
def test_what_is_no_password(stage: Stage, value: bytes) -> None:
    assert refused(gate(stage.staff()), (b"authorization", b"Basic " + value))[0] == "credentials_bad"
    assert not stage.jobs


def test_not_more_is_hashed_than_the_machine_takes(stage: Stage) -> None:
    staff = stage.staff()
    told: list[object] = []
    plays = [Playbook(kept=1, gates=(gate(staff),)) for _ in range(MOST_AT_ONCE + 64 + 1)]
    for number, play in enumerate(plays):
        play.caller.begins(head=request(basic(f"ann:{number}"))).happen()
        told.append(play.caller.stream.head)
    assert len(stage.jobs) == MOST_AT_ONCE
    assert [head for head in told[:-1] if head] == []
    assert plays[-1].record.reason == "auth_unavailable"
    while stage.jobs:
        stage.jobs.pop()()
    assert {play.record.reason for play in plays[:-1]} == {"credentials_bad"}


# --- programs that decide


def test_the_program_is_asked_and_lets_pass(stage: Stage) -> None:
    seen = Seen()
    shown = ((b"cookie", b"s=1"), (b"x-user", b"root"), (b"content-type", b"text/plain"))
    with Playbook(kept=1, gates=(gate(stage.sso()), seen)) as play:
        play >> play.caller.begins(head=request(*shown))
        play >> play.event("yes", lambda: stage.answer(200, (b"x-user", b"ann"), (b"x-other", b"1")))
        play << "a1 head GET /a?b=c end"
        play >> play.stream("a1").head(204, end=True) << "caller head 204 end"
    question = stage.decider.pools[0].streams[0].request
    assert question is not None
    assert (question.method, question.target, question.authority) == (b"GET", b"/verify?a=b", b"sso")
    assert question.fields.pairs == (
        (b"cookie", b"s=1"),
        (b"x-forwarded-method", b"GET"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"orders"),
        (b"x-forwarded-uri", b"/a?b=c"),
        (b"x-forwarded-for", b"127.0.0.1"),
    )
    assert (seen.asked.subject, dict(seen.asked.claims)) == ("ann", {"x-user": "ann"})
    sent = play.pools["a"].streams[0].request
    assert sent is not None
    assert sent.fields.pairs == ((b"cookie", b"s=1"), (b"content-type", b"text/plain"), (b"x-user", b"ann"))


@pytest.mark.parametrize("status", [302, 401, 403, 418])
def test_what_the_program_answers_goes_back(stage: Stage, status: int) -> None:
    own = ((b"location", b"/login"), (b"set-cookie", b"a=b"), (b"x-minimesh-reason", b"no_route"))
    with Playbook(kept=1, gates=(gate(stage.sso()),)) as play:
        play >> play.caller.begins(head=request())
        play >> play.event("no", lambda: stage.answer(status, *own, body=b"go away"))
        play << f"caller head {status} b'go away' end"
    assert play.caller.stream.head is not None
    fields = play.caller.stream.head.fields
    assert (fields.get(b"location"), fields.get(b"set-cookie")) == (b"/login", b"a=b")
    assert play.record.reason == ("credentials_bad" if status == 401 else "access_denied")
    assert (fields.get(b"x-minimesh-reason") or b"").startswith(play.record.reason.encode())


def test_a_call_of_grpc_is_refused_in_grpc(stage: Stage) -> None:
    head = request()
    head.grpc = True
    with Playbook(kept=1, gates=(gate(stage.sso()),)) as play:
        play >> play.caller.begins(head=head)
        play >> play.event("no", lambda: stage.answer(401)) << "caller head 200 end"
    assert play.caller.stream.head is not None
    assert play.caller.stream.head.fields.get(b"grpc-status") == b"16"


def silent(stage: Stage) -> None:
    for _ in range(60):
        stage.wheel.turn(stage.wheel.now + 0.1)


def cut(stage: Stage) -> None:
    for stream in stage.decider.pools[0].streams, stage.decider.pools[0].streams:
        exchange = stream[-1].exchange
        assert exchange is not None
        exchange.response_cut(UPSTREAM_RESET, "it hung up", Fate.UNKNOWN)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda stage: stage.answer(500), "status 500"),
        (lambda stage: stage.answer(200, body=b"x" * 70_000), "more than"),
        (silent, "within 5 s"),
        (cut, "it hung up"),
    ],
)
def test_a_program_that_does_not_decide_lets_nobody_pass(stage: Stage, what: Callable[[Stage], None], why: str) -> None:
    with Playbook(kept=1, gates=(gate(stage.sso(), missing=Missing.ANONYMOUS),)) as play:
        play >> play.caller.begins(head=request())
        play >> play.event("nothing good", lambda: what(stage)) << f"caller head 503 {play.caller.stream.body!r} end"
    assert play.record.reason == "auth_unavailable"
    assert why in play.record.detail


def test_a_program_that_is_not_there(stage: Stage) -> None:
    stage.decider.pools = ()
    assert refused(gate(stage.sso()))[0] == "auth_unavailable"


def test_a_caller_that_leaves_gives_the_question_up(stage: Stage) -> None:
    with Playbook(kept=1, gates=(gate(stage.sso()),)) as play:
        play >> play.caller.begins(head=request())
        play >> play.caller.leaves()
    assert any("reset" in said for said in stage.said)


def test_the_program_is_not_asked_where_somebody_here_knows(stage: Stage) -> None:
    both = gate(stage.partners(), stage.sso())
    assert passes(both, (b"x-api-key", KEY.encode()))[0].subject == "acme"
    assert refused(both, (b"x-api-key", b"wrong"))[0] == "credentials_bad"
    assert not stage.decider.pools[0].streams
