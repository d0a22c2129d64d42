"""The authority of a running mesh: from its first certificate to the last step of a rotation, and over restarts."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import anyio
import pytest

from minimesh.control.authorities import Authorities, Maker
from minimesh.control.certifier import Certifier, Kept, begun
from minimesh.control.settle import StartError
from minimesh.identity.authority import DAY, INTERMEDIATE_LIFE
from minimesh.identity.lifecycle import Kind, State, StepError
from minimesh.identity.svid import Svid
from minimesh.identity.trust import Trust
from minimesh.identity.untrusted import Doubt, Untrusted
from minimesh.model.identity import Identity
from minimesh.model.issuing import Issuing
from minimesh.model.project import Gateway, Project
from minimesh.model.route import Route
from minimesh.model.service import Service
from minimesh.store.database import opened
from minimesh.store.errors import NotWrittenError
from minimesh.store.migrations import MIGRATIONS
from minimesh.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

DOMAIN = "shop.mesh"
WEB, ORDERS, GATEWAY = (Identity(DOMAIN, name) for name in ("web", "orders", "gateway"))
HOUR = 3600.0


@dataclass
class Stage:
    """A project folder with an authority, and what it has told."""

    folder: Path
    clock: VirtualClock
    project: Project

    def __post_init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    @asynccontextmanager
    async def run(self, project: Project | None = None, kept: Kept | None = None) -> AsyncIterator[Certifier]:
        store = opened(self.folder / "state.db", MIGRATIONS)
        project = project or self.project
        try:
            trust = Trust(project.trust_domain)
            certifier = await begun(trust, store, self.folder / "ca", project, self.clock, Random(7), kept)
            certifier.tell = lambda *event: self.told.append(event)
            yield certifier
        finally:
            store.close()

    def doubt(self, certifier: Certifier, svid: Svid) -> Doubt | None:
        untrusted = certifier.trust.standing(svid.peer, self.clock.wall())
        return untrusted.doubt if untrusted else None


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    services = {name: Service(name) for name in ("web", "orders")}
    project = Project("shop", DOMAIN, tmp_path, tmp_path / "minimesh.toml", gateway=Gateway(), services=services)
    return Stage(tmp_path, VirtualClock(), project)


async def test_everybody_has_a_certificate_from_the_start(stage: Stage) -> None:
    async with stage.run() as it:
        assert set(it.trust.contents.svids) == {WEB, ORDERS, GATEWAY}
        svid = it.trust.svid(WEB)
        assert stage.doubt(it, svid) is None
        assert svid.not_after - stage.clock.wall() == 24 * HOUR
        assert [each.state for each in it.book.entries] == [State.ACTIVE, State.ACTIVE]
        assert it.trust.roots == (it.book.roots(stage.clock.wall())[0].certificate,)
    assert (stage.folder / "ca").stat().st_mode & 0o777 == 0o700
    keys = list((stage.folder / "ca").glob("*.key"))
    assert [key.stat().st_mode & 0o777 for key in keys] == [0o600]


async def test_a_restart_keeps_the_root_and_what_was_issued(stage: Stage) -> None:
    async with stage.run() as it:
        before, roots = it.trust.svid(WEB), it.trust.roots
    async with stage.run() as it:
        assert it.trust.roots == roots
        assert it.trust.svid(WEB).issuer != before.issuer
        assert stage.doubt(it, before) is None
    stage.clock.advance(25 * HOUR)
    async with stage.run() as it:
        assert len(it.book.of(Kind.INTERMEDIATE)) == 1


async def test_another_image_of_the_process_goes_on_with_the_same_certificates(stage: Stage) -> None:
    async with stage.run() as it:
        before, kept = it.trust.svid(WEB), it.kept
    async with stage.run(kept=kept) as it:
        assert it.trust.svid(WEB) == before
        assert len(it.book.of(Kind.INTERMEDIATE)) == 1


async def test_certificates_are_renewed_at_half_of_their_lives(stage: Stage) -> None:
    async with stage.run() as it:
        first = it.trust.svid(WEB)
        generation = it.trust.generation
        stage.clock.advance(10 * HOUR)
        await it.beat()
        assert (it.trust.svid(WEB), it.trust.generation) == (first, generation)
        stage.clock.advance(2 * HOUR)
        await it.beat()
        second = it.trust.svid(WEB)
        assert second.not_after - first.not_after == 12 * HOUR
        assert it.trust.generation > generation
        assert stage.doubt(it, first) is None
        assert stage.told == [("minimesh", "certificates", "renewed gateway, web, orders")]


async def test_the_loop_renews_by_itself(stage: Stage) -> None:
    async with stage.run() as it, anyio.create_task_group() as tasks:
        first = it.trust.svid(WEB)
        tasks.start_soon(it.run)
        await anyio.wait_all_tasks_blocked()
        stage.clock.advance(13 * HOUR)
        await it.renew([ORDERS])  # wakes it; by itself it looks at the clock once a minute
        with anyio.fail_after(10):
            while it.trust.svid(WEB) == first:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


async def test_a_clock_that_is_set_back_is_followed(stage: Stage) -> None:
    async with stage.run() as it:
        first = it.trust.svid(WEB)
        stage.clock = it.clock = VirtualClock(wall=stage.clock.wall() - 3 * DAY)
        assert stage.doubt(it, first) is Doubt.NOT_YET_VALID
        await it.beat()
        assert stage.doubt(it, it.trust.svid(WEB)) is None
        it.clock = VirtualClock(wall=stage.clock.wall() - 30 * DAY)
        before = it.trust.generation
        for _ in range(3):
            await it.beat()
        assert it.trust.generation == before
        assert [event for event in stage.told if "the clock is set to a time before" in event[2]] == stage.told[-1:]


async def test_the_intermediate_is_replaced_at_half_of_its_life(stage: Stage) -> None:
    async with stage.run() as it:
        (first,) = it.book.of(Kind.INTERMEDIATE)
        old = it.trust.svid(WEB)
        stage.clock.advance(INTERMEDIATE_LIFE / 2)
        await it.beat()
        states = [each.state for each in it.book.of(Kind.INTERMEDIATE)]
        assert states == [State.OLD, State.ACTIVE]
        assert it.trust.svid(WEB).issuer != first.key_id == old.issuer


async def test_what_is_revoked_stays_so_over_a_restart_until_it_is_renewed(stage: Stage) -> None:
    async with stage.run() as it:
        web, orders = it.trust.svid(WEB), it.trust.svid(ORDERS)
        exported = await it.export(WEB)
        assert stage.doubt(it, exported) is None
        assert await it.revoke(WEB) == 2
        assert (stage.doubt(it, web), stage.doubt(it, exported)) == (Doubt.REVOKED, Doubt.REVOKED)
        assert stage.doubt(it, orders) is None
        stage.clock.advance(12 * HOUR)
        await it.beat()
        with pytest.raises(Untrusted, match="revoked"):
            it.trust.svid(WEB)
        with pytest.raises(StepError, match="the certificates of web are revoked") as error:
            await it.export(WEB)
        assert error.value.fix == "minimesh cert renew web"
    async with stage.run() as it:
        assert it.is_barred(WEB)
        with pytest.raises(Untrusted, match="revoked"):
            it.trust.svid(WEB)
        await it.renew([WEB])
        assert stage.doubt(it, it.trust.svid(WEB)) is None
        assert stage.doubt(it, exported) is Doubt.REVOKED
    async with stage.run() as it:
        assert stage.doubt(it, it.trust.svid(WEB)) is None
        assert stage.doubt(it, exported) is Doubt.REVOKED


async def test_one_certificate_is_revoked_and_the_service_goes_on(stage: Stage) -> None:
    async with stage.run() as it:
        first, exported = it.trust.svid(WEB), await it.export(WEB)
        await it.revoke_one(exported.serial)
        assert (stage.doubt(it, exported), it.trust.svid(WEB)) == (Doubt.REVOKED, first)
        await it.revoke_one(first.serial)
        assert stage.doubt(it, first) is Doubt.REVOKED
        assert stage.doubt(it, it.trust.svid(WEB)) is None
        with pytest.raises(KeyError):
            await it.revoke_one(1)


@pytest.mark.parametrize("kind", list(Kind))
async def test_the_four_steps(stage: Stage, kind: Kind) -> None:
    """After each, who has an old certificate and who has a new one are believed as SPIRE's steps say."""
    async with stage.run() as it:
        old = it.trust.svid(WEB)
        first = it.book.of(kind)[0]

        prepared = await it.prepare(kind)
        assert prepared.state is State.PREPARED
        assert len(it.trust.roots) == (2 if kind is Kind.ROOT else 1)
        assert it.trust.svid(WEB) == old

        await it.activate("")
        assert it.trust.svid(WEB) == old
        assert stage.doubt(it, old) is None
        new = await it.export(WEB)
        assert new.issuer != old.issuer
        assert stage.doubt(it, new) is None

        await it.taint(first.id)
        assert it.trust.svid(WEB).issuer == new.issuer
        assert stage.doubt(it, old) is None
        assert len(it.trust.roots) == (2 if kind is Kind.ROOT else 1)

        await it.revoke_authority("")
        assert stage.doubt(it, old) is Doubt.REVOKED
        assert stage.doubt(it, new) is None
        assert stage.doubt(it, it.trust.svid(WEB)) is None
        assert len(it.trust.roots) == 1
        assert first.certificate not in it.trust.roots
    keys = [path.stem for path in (stage.folder / "ca").glob("*.key")]
    assert keys == [f"root-{(prepared if kind is Kind.ROOT else it.book.of(Kind.ROOT)[0]).id}"]
    async with stage.run() as it:
        assert stage.doubt(it, old) is Doubt.REVOKED
        assert stage.doubt(it, new) is None


async def test_nobody_is_without_a_certificate_where_an_old_authority_is_revoked_at_once(stage: Stage) -> None:
    async with stage.run() as it:
        first = it.book.of(Kind.ROOT)[0]
        await it.prepare(Kind.ROOT)
        await it.activate("")
        await it.revoke_authority(first.id)
        for identity in (WEB, ORDERS, GATEWAY):
            assert stage.doubt(it, it.trust.svid(identity)) is None


async def test_what_signs_cannot_be_tainted_or_revoked(stage: Stage) -> None:
    async with stage.run() as it:
        for entry in it.book.entries:
            for step in (it.taint, it.revoke_authority):
                with pytest.raises(StepError, match="is active"):
                    await step(entry.id)
        await it.prepare(Kind.ROOT)
        with pytest.raises(StepError, match="prepared already"):
            await it.prepare(Kind.ROOT)
        assert len(list((stage.folder / "ca").glob("*.key"))) == 2


async def test_a_disk_that_takes_nothing_changes_nothing_and_certificates_are_renewed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.run() as it:

        async def full(work: Callable[[object], object]) -> None:
            raise NotWrittenError("database or disk is full")

        before = it.book, it.trust.svid(WEB)
        with monkeypatch.context() as patch:
            patch.setattr(it.store, "change", full)
            steps: list[Callable[[], Awaitable[object]]] = [
                lambda: it.revoke(WEB),
                lambda: it.prepare(Kind.ROOT),
                lambda: it.prepare(Kind.INTERMEDIATE),
                lambda: it.export(WEB),
            ]
            for step in steps:
                with pytest.raises(NotWrittenError):
                    await step()
            assert (it.book, it.trust.svid(WEB)) == before
            stage.clock.advance(12 * HOUR)
            await it.beat()
            renewed = it.trust.svid(WEB)
            assert renewed != before[1]
        await it.beat()
        assert stage.told[-1] == ("minimesh", "certificates", "renewed again")
        await it.revoke_one(renewed.serial)
    async with stage.run() as it:
        assert stage.doubt(it, renewed) is Doubt.REVOKED
        assert len(list((stage.folder / "ca").glob("*.key"))) == 1


async def test_another_project_is_taken_before_it_counts(stage: Stage) -> None:
    catalog = Identity(DOMAIN, "catalog")
    routes = (Route("web", host="shop.example.test"),)
    services = {"web": Service("web"), "catalog": Service("catalog")}
    after = replace(stage.project, services=services, gateway=Gateway(routes=routes))
    async with stage.run() as it:
        web, gateway = it.trust.svid(WEB), it.trust.svid(GATEWAY)
        await it.take(after)
        assert stage.doubt(it, it.trust.svid(catalog)) is None
        assert stage.doubt(it, it.trust.svid(ORDERS)) is None
        assert it.trust.svid(WEB) == web
        assert it.trust.svid(GATEWAY) != gateway
        it.released()
        with pytest.raises(Untrusted, match="no_certificate"):
            it.trust.svid(ORDERS)
        await it.take(replace(after, issuing=Issuing(svid_ttl=60.0)))
        assert it.trust.svid(WEB).not_after - stage.clock.wall() == 60


async def test_another_trust_domain_has_another_root_and_back_again(stage: Stage) -> None:
    other = replace(stage.project, trust_domain="other.mesh")
    async with stage.run() as it:
        web, first = it.trust.svid(WEB), it.book.of(Kind.ROOT)[0]
        await it.take(other)
        assert stage.doubt(it, it.trust.svid(Identity("other.mesh", "web"))) is None
        assert (it.trust.svid(WEB), stage.doubt(it, web)) == (web, None)
        it.released()
        assert it.trust.trust_domain == "other.mesh"
        assert len(it.trust.roots) == 2
        await it.take(stage.project)
        it.released()
        active = it.book.active(Kind.ROOT)
        assert active is not None
        assert active.key_id == first.key_id


def the_key(stage: Stage) -> Path:
    (key,) = (stage.folder / "ca").glob("*.key")
    return key


def open_to_all(key: Path) -> None:
    key.chmod(0o644)


def garbage(key: Path) -> None:
    key.write_bytes(b"garbage")


def another(key: Path) -> None:
    from minimesh.identity.authority import make_root

    key.write_bytes(make_root("shop", DOMAIN, 1_700_000_000.0).key)


@pytest.mark.parametrize(
    ("harm", "message", "fix"),
    [
        (open_to_all, "can be read or changed by others", "chmod 600 "),
        (Path.unlink, "is not there", "minimesh recover"),
        (garbage, "is not the key of root", "minimesh recover"),
        (another, "it is of another certificate", "minimesh recover"),
    ],
)
async def test_a_key_of_ours_that_cannot_be_used_is_told_with_the_fix(
    stage: Stage, harm: Callable[[Path], object], message: str, fix: str
) -> None:
    async with stage.run():
        pass
    harm(the_key(stage))
    with pytest.raises(StartError, match=message) as error:
        async with stage.run():
            pass
    assert error.value.problem.code == "MM121"
    assert error.value.problem.help.startswith(fix)


async def test_a_root_that_has_expired_is_told_with_the_fix(stage: Stage) -> None:
    async with stage.run():
        pass
    stage.clock.advance(3700 * DAY)
    with pytest.raises(StartError, match="has expired") as error:
        async with stage.run():
            pass
    assert error.value.problem.help == "minimesh recover"


async def test_without_its_book_the_newest_root_is_taken_over_and_nothing_else_is_believed(stage: Stage) -> None:
    async with stage.run() as it:
        roots, old = it.trust.roots, it.trust.svid(WEB)
    for path in stage.folder.glob("state.db*"):
        path.unlink()
    async with stage.run() as it:
        assert it.trust.roots == roots
        assert stage.doubt(it, old) is Doubt.FOREIGN_AUTHORITY


async def test_keys_that_nobody_counted_on_are_swept(stage: Stage) -> None:
    async with stage.run() as it:
        after, _ = Maker(stage.folder / "ca", stage.project).prepared(
            Authorities(it.book, it.kept.keys), Kind.ROOT, stage.clock.wall()
        )
        assert len(after.book.of(Kind.ROOT)) == 2
    assert len(list((stage.folder / "ca").glob("*"))) == 4
    async with stage.run() as it:
        assert len(it.book.of(Kind.ROOT)) == 1
    assert len(list((stage.folder / "ca").glob("*"))) == 2


async def test_no_key_is_in_the_state_file(stage: Stage) -> None:
    async with stage.run() as it:
        await it.export(WEB)
        await it.prepare(Kind.INTERMEDIATE)
    for path in stage.folder.glob("state.db*"):
        assert b"PRIVATE KEY" not in path.read_bytes()


STEPPER = """
import sys
from pathlib import Path
from random import Random
import anyio
from minimesh.control.certifier import begun
from minimesh.identity.lifecycle import Kind, State
from minimesh.identity.trust import Trust
from minimesh.model.identity import Identity
from minimesh.model.project import Gateway, Project
from minimesh.model.service import Service
from minimesh.store.database import opened
from minimesh.store.migrations import MIGRATIONS
from minimesh.testing.clock import VirtualClock

async def main(root):
    project = Project("shop", "shop.mesh", root, root / "x", gateway=Gateway(), services={"web": Service("web")})
    store = opened(root / "state.db", MIGRATIONS)
    it = await begun(Trust("shop.mesh"), store, root / "ca", project, VirtualClock(), Random())
    say = lambda what, entry: print(what, entry.key_id.hex(), flush=True)
    while True:
        for kind in Kind:
            first = it.book.active(kind)
            waiting = it.book.of(kind, State.PREPARED)
            entry = waiting[0] if waiting else await it.prepare(kind)
            say("prepared", entry)
            await it.activate(entry.id)
            say("active", entry)
            await it.revoke_authority(first.id)
            say("revoked", first)
        svid = await it.export(Identity("shop.mesh", "web"))
        await it.revoke_one(svid.serial)
        print("leaf", f"{svid.serial:x}", flush=True)

anyio.run(main, Path(sys.argv[1]))
"""


MAY_BE = {
    "prepared": {State.PREPARED, State.ACTIVE, State.OLD, State.REVOKED},
    "active": {State.ACTIVE, State.OLD, State.REVOKED},
    "revoked": {State.REVOKED},
}
"""After what was acknowledged last, a step that was under way may have happened, and the next start makes another
intermediate the active one."""


def stepped_until_killed(folder: Path, steps: int) -> dict[str, str]:
    """What was said of each authority and leaf last, before and while it was killed."""
    stepper = subprocess.Popen([sys.executable, "-c", STEPPER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert stepper.stdout is not None
    said = [stepper.stdout.readline() for _ in range(steps)]
    stepper.send_signal(signal.SIGKILL)
    said += stepper.stdout.readlines()
    stepper.wait()
    stepper.stdout.close()
    words = [line.split() for line in said]
    return {name: word for word, name in words}


async def test_nothing_acknowledged_is_lost_when_the_mesh_is_killed(stage: Stage) -> None:
    """Twenty times, in the midst of a change; then it starts again, with one root and one intermediate that sign."""
    project = replace(stage.project, services={"web": Service("web")})
    for kill in range(20):
        final = stepped_until_killed(stage.folder, 1 + kill % 8)
        async with stage.run(project) as it:
            for name, word in final.items():
                if word == "leaf":
                    assert int(name, 16) in it.trust.contents.revoked
                else:
                    assert {each.state for each in it.book.entries if each.key_id.hex() == name} <= MAY_BE[word]
            assert len(it.book.of(Kind.ROOT, State.ACTIVE)) == len(it.book.of(Kind.INTERMEDIATE, State.ACTIVE)) == 1
            assert stage.doubt(it, it.trust.svid(WEB)) is None
