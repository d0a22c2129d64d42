"""The user's own authority: files of it, and a command that signs. What is wrong is said with its line and its fix."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from minimesh.control import signing
from minimesh.control.certifier import Certifier, begun
from minimesh.control.settle import StartError
from minimesh.identity.authority import DAY, Authority, make_intermediate
from minimesh.identity.lifecycle import Kind, Source, State, StepError
from minimesh.identity.trust import Trust
from minimesh.model.identity import Identity
from minimesh.model.issuing import CaFiles, Issuing, SignCommand
from minimesh.model.project import Gateway, Project
from minimesh.model.service import Service
from minimesh.model.where import Where
from minimesh.store.database import opened
from minimesh.store.migrations import MIGRATIONS
from minimesh.testing.clock import VirtualClock
from minimesh.testing.forge import brought, forge

pytestmark = pytest.mark.anyio

CLOCK = VirtualClock()
NOW = CLOCK.wall()
WHERE = Where("minimesh.toml", 7)
WEB = Identity("shop.mesh", "web")


@pytest.fixture(scope="module")
def theirs() -> Authority:
    return brought(ec.generate_private_key(ec.SECP256R1()), "their root", NOW)


@pytest.fixture
def ca(tmp_path: Path, theirs: Authority) -> CaFiles:
    return written(tmp_path, theirs.certificate, theirs.key)


def written(folder: Path, chain: bytes, key: bytes) -> CaFiles:
    (folder / "ca.pem").write_bytes(chain)
    (folder / "ca.key").touch(0o600)
    (folder / "ca.key").write_bytes(key)
    return CaFiles(folder / "ca.pem", folder / "ca.key", WHERE)


def test_their_root_is_read(ca: CaFiles, theirs: Authority) -> None:
    assert signing.brought(ca, NOW) == theirs


def test_an_intermediate_of_theirs_will_do(tmp_path: Path, theirs: Authority) -> None:
    below = make_intermediate(theirs, "them", "shop.mesh", NOW)
    for chain, root in (
        (below.certificate + theirs.certificate, theirs.certificate),
        (below.certificate, below.certificate),
    ):
        found = signing.brought(written(tmp_path, chain, below.key), NOW)
        assert (found.certificate, found.root) == (below.certificate, root)


def as_it_is(folder: Path, theirs: Authority) -> CaFiles:
    return written(folder, theirs.certificate, theirs.key)


def of_a_server(folder: Path, theirs: Authority) -> CaFiles:
    leaf = forge(theirs, NOW)
    return written(folder, leaf.chain[0], leaf.key)


def of_another_key(folder: Path, theirs: Authority) -> CaFiles:
    other = brought(ec.generate_private_key(ec.SECP256R1()), "other", NOW)
    return written(folder, theirs.certificate, other.key)


def out_of_order(folder: Path, theirs: Authority) -> CaFiles:
    below = make_intermediate(theirs, "them", "shop.mesh", NOW)
    return written(folder, theirs.certificate + below.certificate, theirs.key)


def locked(folder: Path, theirs: Authority) -> CaFiles:
    secret = serialization.BestAvailableEncryption(b"secret")
    pem = theirs.signer.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    return written(folder, theirs.certificate, pem)


def weak(folder: Path, theirs: Authority) -> CaFiles:
    root = brought(rsa.generate_private_key(65537, 1024), "weak", NOW)
    return written(folder, root.certificate, root.key)


def empty(folder: Path, theirs: Authority) -> CaFiles:
    return written(folder, b"nothing", theirs.key)


def not_there(folder: Path, theirs: Authority) -> CaFiles:
    return CaFiles(folder / "ca.pem", folder / "ca.key", WHERE)


def open_to_all(folder: Path, theirs: Authority) -> CaFiles:
    found = as_it_is(folder, theirs)
    found.key.chmod(0o640)
    return found


@pytest.mark.parametrize(
    ("make", "now", "message", "fix"),
    [
        (as_it_is, NOW + 4000 * DAY, "their root.* expired on 2033-", "write the `cert` and `key` of an authority"),
        (as_it_is, NOW - DAY, "is not valid before 2023-", "write the `cert` and `key` of an authority"),
        (of_a_server, NOW, "is the certificate of a server, not of an authority", "write the `cert`"),
        (of_another_key, NOW, r"ca\.key is not the key of .*ca\.pem", "openssl x509 -in"),
        (out_of_order, NOW, "their root.* is not signed by the next, .*intermediate", "openssl x509 -in"),
        (locked, NOW, "has a passphrase", "openssl pkey -in"),
        (weak, NOW, "has 1024 bits", "write the `cert`"),
        (empty, NOW, "there is no certificate in it", "openssl x509 -in"),
        (not_there, NOW, "cannot be read: No such file", "ls -l"),
        (open_to_all, NOW, "can be read or changed by others", "chmod 600"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_its_line_and_the_fix(
    make: Callable[[Path, Authority], CaFiles], now: float, message: str, fix: str, tmp_path: Path, theirs: Authority
) -> None:
    with pytest.raises(StartError, match=message) as error:
        signing.brought(make(tmp_path, theirs), now)
    problem = error.value.problem
    assert (problem.code, problem.where) == ("MM122", "minimesh.toml:7")
    assert problem.help.startswith(fix)


SIGNER = """
import datetime, sys
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
folder = Path({folder!r})
root = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
request = x509.load_pem_x509_csr(sys.stdin.buffer.read())
now = datetime.datetime.fromtimestamp({now}, datetime.UTC)
builder = (x509.CertificateBuilder().subject_name(request.subject).issuer_name(root.subject)
    .public_key(request.public_key()).serial_number(x509.random_serial_number())
    .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=3))
    .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), False))
for extension in request.extensions:
    builder = builder.add_extension(extension.value, extension.critical)
pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
sys.stdout.buffer.write(pem + {root})
"""


def signer(ca: CaFiles, root: str = '(folder / "ca.pem").read_bytes()') -> SignCommand:
    script = SIGNER.format(folder=str(ca.cert.parent), now=NOW, root=root)
    return SignCommand((sys.executable, "-c", script), ca.cert.parent, WHERE)


@asynccontextmanager
async def mesh(root: Path, ca: CaFiles | SignCommand | None) -> AsyncIterator[Certifier]:
    services = {"web": Service("web")}
    file = root / "minimesh.toml"
    issuing = Issuing(ca=ca)
    project = Project("shop", "shop.mesh", root, file, gateway=Gateway(), services=services, issuing=issuing)
    store = opened(root / "state.db", MIGRATIONS)
    try:
        yield await begun(Trust("shop.mesh"), store, root / "ca", project, CLOCK, Random(1))
    finally:
        store.close()


async def test_a_mesh_stands_on_their_root(tmp_path: Path, ca: CaFiles, theirs: Authority) -> None:
    async with mesh(tmp_path, ca) as it:
        assert it.trust.roots == (theirs.certificate,)
        assert it.trust.standing(it.trust.svid(WEB).peer, NOW) is None
        assert it.trust.contents.strangers
        assert not (tmp_path / "ca").exists()
        with pytest.raises(StepError, match="the root is yours") as error:
            await it.prepare(Kind.ROOT)
        assert error.value.fix == "minimesh reload"
        await it.prepare(Kind.INTERMEDIATE)
        await it.activate("")


async def test_one_that_may_have_none_below_it_signs_leaves_itself(tmp_path: Path) -> None:
    root = brought(ec.generate_private_key(ec.SECP256R1()), "theirs", NOW, path_length=0)
    async with mesh(tmp_path, written(tmp_path, root.certificate, root.key)) as it:
        svid = it.trust.svid(WEB)
        assert (len(svid.chain), svid.issuer) == (1, root.key_id)
        assert it.trust.standing(svid.peer, NOW) is None
        with pytest.raises(StepError, match="may have no intermediate below it"):
            await it.prepare(Kind.INTERMEDIATE)
        await it.beat()
        assert it.trust.svid(WEB) == svid


async def test_a_command_signs_the_intermediate(tmp_path: Path, ca: CaFiles, theirs: Authority) -> None:
    async with mesh(tmp_path, signer(ca)) as it:
        assert it.trust.roots == (theirs.certificate,)
        assert [each.source for each in it.book.entries] == [Source.SIGNED, Source.SIGNED]
        svid = it.trust.svid(WEB)
        assert len(svid.chain) == 2
        assert it.trust.standing(svid.peer, NOW) is None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise SystemExit(3)", "ended with 3"),
        ("", "there is no certificate in it"),
        ("import sys; print(sys.stdin.read())", "there is no certificate in it"),
    ],
)
def test_a_command_that_fails_is_told(tmp_path: Path, script: str, message: str) -> None:
    command = SignCommand((sys.executable, "-c", script), tmp_path, WHERE)
    with pytest.raises(StartError, match=message) as error:
        signing.signed(command, "shop", "shop.mesh", NOW)
    assert (error.value.problem.code, error.value.problem.where) == ("MM122", "minimesh.toml:7")


def test_a_command_that_is_not_there_or_too_slow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartError, match="cannot be started: No such file"):
        signing.signed(SignCommand(("/no/such/program",), tmp_path, WHERE), "shop", "shop.mesh", NOW)
    monkeypatch.setattr(signing, "PATIENCE", 0.05)
    slow = SignCommand((sys.executable, "-c", "import time; time.sleep(60)"), tmp_path, WHERE)
    with pytest.raises(StartError, match="did not answer"):
        signing.signed(slow, "shop", "shop.mesh", NOW)


def test_the_chain_has_to_be_whole(ca: CaFiles) -> None:
    with pytest.raises(StartError, match="what signed it is missing"):
        signing.signed(signer(ca, root='b""'), "shop", "shop.mesh", NOW)


async def test_from_our_root_to_theirs_and_back_by_a_reload(tmp_path: Path, ca: CaFiles, theirs: Authority) -> None:
    async with mesh(tmp_path, None) as it:
        ours, old = it.trust.roots, it.trust.svid(WEB)
        project = it.project
        await it.take(replace(project, issuing=Issuing(ca=ca)))
        it.released()
        assert set(it.trust.roots) == {*ours, theirs.certificate}
        assert it.trust.standing(old.peer, NOW) is None
        new = await it.export(WEB)
        await it.revoke_authority(it.book.of(Kind.ROOT, State.OLD)[0].id)
        assert it.trust.roots == (theirs.certificate,)
        assert it.trust.standing(old.peer, NOW) is not None
        assert it.trust.standing(new.peer, NOW) is None
        await it.take(project)
        it.released()
        assert len(it.trust.roots) == 2
        assert ours[0] not in it.trust.roots


async def test_files_that_hold_another_one_count_from_the_next_reload_on(tmp_path: Path, ca: CaFiles) -> None:
    async with mesh(tmp_path, ca) as it:
        signs = it.book.active(Kind.INTERMEDIATE)
        await it.take(it.project)
        assert it.book.active(Kind.INTERMEDIATE) == signs
        other = brought(ec.generate_private_key(ec.SECP256R1()), "their next root", NOW)
        written(tmp_path, other.certificate, other.key)
        await it.take(it.project)
        assert it.book.active(Kind.INTERMEDIATE) != signs
        assert other.certificate in it.trust.roots
        ca.key.chmod(0o644)
        before = it.book
        with pytest.raises(StartError, match="can be read or changed by others"):
            await it.take(it.project)
        assert it.book == before
