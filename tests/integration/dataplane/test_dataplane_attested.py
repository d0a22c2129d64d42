"""Callers that are no process of the service as which they call: marked, or refused, and the others are not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from minimesh.dataplane import acceptor
from minimesh.model.address import Address
from minimesh.model.attest import Attest, Found, Question
from minimesh.model.caller import Attested
from minimesh.model.identity import Identity
from minimesh.model.snapshot import Listener, ListenerKind
from tests.integration.dataplane.stage import EACH_CODEC, OUTBOUND, TRUST_DOMAIN, Stage, until

pytestmark = [pytest.mark.anyio, EACH_CODEC]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OWN = Found(Attested.YES, "web", "node", 4312)
STRANGER = Found(Attested.NO, "", "curl", 77)
LEFT = Found(Attested.UNKNOWN, why="a caller that had left")


class Told:
    """Answers what it is told to, when it is told to."""

    def __init__(self, stage: Stage) -> None:
        self.waiting: list[tuple[Question, Callable[[Found], None]]] = []
        stage.plane.attestor = self

    def ask(self, question: Question, then: Callable[[Found], None]) -> None:
        self.waiting.append((question, then))

    async def tell(self, found: Found) -> Question:
        await until(lambda: self.waiting, "somebody asks")
        question, then = self.waiting.pop(0)
        then(found)
        return question


def change(stage: Stage, **of_the_listener: object) -> None:
    old = stage.snapshot
    outbound: Listener = replace(old.listeners[OUTBOUND], **of_the_listener)  # type: ignore[arg-type]  # any of them
    stage.apply(replace(old, generation=old.generation + 1, listeners={**old.listeners, OUTBOUND: outbound}))


async def test_to_observe_makes_nobody_wait_and_marks(stage: Stage) -> None:
    told = Told(stage)
    change(stage, attest=Attest.OBSERVE)
    caller, service = await stage.conversation(GET, OUTBOUND)
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).status == 200
    question = await told.tell(STRANGER)
    assert (question.among, question.to) == (frozenset({"web"}), "api")
    record = await stage.record()
    assert (record.attested, record.process) == ("no", "curl, pid 77"), "it is known by the time that it is read"


@pytest.mark.parametrize("found", [STRANGER, LEFT], ids=["stranger", "unknown"])
async def test_to_enforce_refuses_and_says_who_it_was(stage: Stage, found: Found) -> None:
    told = Told(stage)
    change(stage, attest=Attest.ENFORCE)
    caller = await stage.call(OUTBOUND)
    await caller.send(GET)
    await told.tell(found)
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (403, "unattested")
    assert found.who.encode() in answer.body
    record = await stage.record()
    assert (record.destination, record.reason, record.attested) == ("api", "unattested", found.attested)
    assert await stage.service.silent()


async def test_to_enforce_lets_in_its_own_and_asks_once_a_connection(stage: Stage) -> None:
    told = Told(stage)
    change(stage, attest=Attest.ENFORCE)
    caller = await stage.call(OUTBOUND)
    await caller.send(GET)
    await until(lambda: told.waiting, "it is asked for")
    assert await stage.service.silent(), "nothing goes on before that is known"
    await told.tell(OWN)
    service = await stage.service.accept()
    for _ in range(2):
        await service.request()
        await service.send(OK)
        assert (await caller.answer()).status == 200
        await caller.send(GET)
    assert not told.waiting
    assert (await stage.record()).attested == "yes"
    await service.request()
    await service.send(OK)
    await caller.answer()


async def test_who_is_not_known_in_time_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "ATTESTED_WITHIN", 0.05)
    told = Told(stage)
    change(stage, attest=Attest.ENFORCE)
    caller = await stage.call(OUTBOUND)
    await caller.send(GET)
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (403, "unattested")
    await told.tell(OWN)  # too late, and of no harm
    await caller.send(GET)
    assert (await caller.answer()).status == 403


async def test_who_came_when_nobody_looked_comes_again(stage: Stage) -> None:
    """What nobody has looked at is neither refused nor trusted."""
    caller, service = await stage.conversation(GET, OUTBOUND)
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).status == 200
    Told(stage)
    change(stage, attest=Attest.ENFORCE)
    await caller.closed()


async def test_a_stranger_that_was_observed_is_refused_from_now_on(stage: Stage) -> None:
    told = Told(stage)
    change(stage, attest=Attest.OBSERVE)
    caller, service = await stage.conversation(GET, OUTBOUND)
    await service.request()
    await service.send(OK)
    await caller.answer()
    await told.tell(STRANGER)
    change(stage, attest=Attest.ENFORCE)
    await caller.send(GET)
    assert (await caller.answer()).status == 403


async def test_a_stranger_for_bytes_is_cut_off(stage: Stage) -> None:
    told = Told(stage)
    change(stage, attest=Attest.ENFORCE, opaque=True)
    caller = await stage.call(OUTBOUND)
    await told.tell(STRANGER)
    await caller.closed()
    record = await stage.record()
    assert (record.protocol, record.destination, record.reason) == ("tcp", "api", "unattested")
    assert "curl, pid 77" in record.detail
    again = await stage.call(OUTBOUND)
    await told.tell(OWN)
    service = await stage.service.accept()
    await service.send(b"first")
    assert await again.exactly(5) == b"first"


async def test_what_waits_to_be_known_is_cut_at_the_end(stage: Stage) -> None:
    Told(stage)
    change(stage, attest=Attest.ENFORCE)
    caller = await stage.call(OUTBOUND)
    await until(lambda: stage.open_connections == 1)
    assert await stage.plane.drain(0.0) == 0
    await caller.closed()


# --- one address that several share ----------------------------------------------------------------------------

SHARED = "->api"


def share(stage: Stage, *, opaque: bool = False, callers: frozenset[str] = frozenset({"web", "pay"})) -> None:
    """Two services may call a third one at its own address, and by their own ways."""
    old, web = stage.snapshot, stage.snapshot.listeners[OUTBOUND]
    shared = replace(
        web,
        kind=ListenerKind.SHARED,
        source=Identity(TRUST_DOMAIN, "-"),
        opaque=opaque,
        attest=Attest.ENFORCE,
        callers=callers,
    )
    web = replace(web, opaque=opaque)
    pay = replace(web, source=Identity(TRUST_DOMAIN, "pay"))
    listeners = {**old.listeners, OUTBOUND: web, "pay->api": pay, SHARED: shared}
    stage.apply(replace(old, generation=old.generation + 1, listeners=listeners))
    at = Address(*stage.plane.address(SHARED))
    listeners = {name: replace(each, also=at) if name.endswith("->api") else each for name, each in listeners.items()}
    stage.apply(replace(stage.snapshot, generation=old.generation + 2, listeners=listeners))


@pytest.mark.parametrize("service", ["web", "pay"])
async def test_who_comes_by_a_shared_address_goes_its_own_way(stage: Stage, service: str) -> None:
    told = Told(stage)
    share(stage)
    host, port = stage.plane.address(SHARED)
    caller = await stage.call(SHARED)
    await caller.send(b"GET / HTTP/1.1\r\nHost: %b:%d\r\n\r\n" % (host.encode(), port))
    question = await told.tell(Found(Attested.YES, service, "node", 5))
    assert question == question._replace(among=frozenset({"web", "pay"}), to="api")
    answering = await stage.service.accept()
    await answering.request()
    await answering.send(OK)
    assert (await caller.answer()).status == 200
    record = await stage.record()
    assert (record.source, record.listener, record.attested) == (service, f"{service}->api", "yes")
    statistics = stage.plane.statistics().listeners
    assert (statistics[SHARED].connections, statistics[f"{service}->api"].connections) == (0, 1)


@pytest.mark.parametrize("found", [STRANGER, LEFT, Found(Attested.NO, "", "node", 9, "ops")], ids=str)
async def test_who_is_none_of_its_callers_reads_that(stage: Stage, found: Found) -> None:
    told = Told(stage)
    share(stage)
    caller = await stage.call(SHARED)
    await caller.send(GET)
    await told.tell(found)
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (403, "unattested")
    assert found.who.encode() in answer.body
    record = await stage.record()
    assert (record.source, record.destination, record.reason) == ("-", "api", "unattested")


async def test_bytes_by_a_shared_address(stage: Stage) -> None:
    told = Told(stage)
    share(stage, opaque=True)
    caller = await stage.call(SHARED)
    await told.tell(Found(Attested.VOUCHED, "pay", "psql", 5))
    service = await stage.service.accept()
    await caller.send(b"hello")
    assert await service.exactly(5) == b"hello"
    stranger = await stage.call(SHARED)
    await told.tell(STRANGER)
    await stranger.closed()
    record = await stage.record()
    assert (record.source, record.reason) == ("-", "unattested")
    caller.close()
    service.close()
    record = await stage.record(2)
    assert (record.source, record.attested) == ("pay", "vouched")
