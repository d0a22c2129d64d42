"""Keys and users that lie elsewhere: read, read again, missed, and had again; through the mesh or straight."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minimesh.control.auth import reading
from minimesh.control.auth.contents import dev_key, dev_keys, key_set, users_in
from minimesh.control.auth.reading import from_file, from_url, service_at
from minimesh.control.auth.watched import CannotReadError, Pace, Watched
from minimesh.dataplane import DataPlane
from minimesh.identity.passwords import is_password
from minimesh.model.address import Address
from minimesh.model.project import Project
from minimesh.model.service import Service
from tests.unit.auth.issuer import key_set as published
from tests.unit.auth.issuer import token

PACE = Pace(every=300.0, pause=5.0)


class Source:
    """Something that is there, or not; and a clock."""

    def __init__(self) -> None:
        self.content: bytes | None = b"1"
        self.now = 0.0
        self.read = 0
        self.told: list[str] = []
        self.watched = Watched(self._read, self._parse, PACE, lambda: self.now, self.told.append)

    async def _read(self) -> bytes:
        self.read += 1
        if self.content is None:
            raise CannotReadError("it is gone")
        return self.content

    @staticmethod
    def _parse(content: bytes) -> int:
        if not content.isdigit():
            raise CannotReadError("it is no number")
        return int(content)

    async def looked(self) -> bool:
        done = asyncio.Event()
        began = self.watched.look(done.set)
        if began:
            await asyncio.wait_for(done.wait(), 5)
        return began


def run(body: Callable[[Source], Awaitable[None]]) -> None:
    async def whole() -> None:
        await body(Source())

    asyncio.run(whole())


def test_the_last_good_one_counts_until_there_is_a_better_one() -> None:
    async def body(source: Source) -> None:
        assert await source.looked()
        for content, value, said in (
            (None, 1, "it is gone; what was read before still counts"),
            (b"x", 1, "it is no number; what was read before still counts"),
            (b"2", 2, "it can be read again"),
        ):
            source.content = content
            source.now += 10
            assert await source.looked()
            assert (source.watched.value, source.told.pop()) == (value, said)

    run(body)


def test_what_was_never_there_says_why() -> None:
    async def body(source: Source) -> None:
        source.content = None
        await source.looked()
        source.now += 10
        await source.looked()
        assert (source.watched.value, source.watched.problem, source.told) == (None, "it is gone", ["it is gone"])

    run(body)


def test_it_is_not_looked_at_again_and_again() -> None:
    async def body(source: Source) -> None:
        assert await source.looked()
        source.now += 4.9
        assert not await source.looked()
        source.watched.beat()
        source.now += 0.2
        both = [asyncio.ensure_future(source.looked()) for _ in range(2)]
        assert await asyncio.gather(*both) == [True, True]
        assert source.read == 2, "whoever comes while it is looked at waits for that"
        source.now += 301
        source.watched.beat()
        assert await source.looked()
        assert source.read == 3

    run(body)


def test_what_has_not_changed_stays_the_same_object() -> None:
    async def body(source: Source) -> None:
        source.content = b"300"
        await source.looked()
        first = source.watched.value
        source.now += 10
        await source.looked()
        assert source.watched.value is first

    run(body)


# --- where it is


def test_which_service_an_url_leads_to(tmp_path: Path) -> None:
    services = {
        "idp": Service("idp", addresses=(Address("10.0.0.1", 80), Address("id.example.test", 443))),
        "sso": Service("sso", port=4180),
    }
    project = Project("shop", "shop.mesh", tmp_path, tmp_path / "minimesh.toml", services=services)
    for url, service in (
        ("http://idp/keys", "idp"),
        ("http://10.0.0.1/keys", "idp"),
        ("https://id.example.test/keys", "idp"),
        ("http://localhost:4180/verify", "sso"),
        ("http://127.0.0.1:4180/verify", "sso"),
        ("http://[::1]:4180/verify", "sso"),
        ("http://10.0.0.1:4180/verify", None),
        ("http://10.0.0.1:81/keys", None),
        ("https://elsewhere.test/keys", None),
    ):
        assert service_at(url, project) == service, url


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(status: int, body: bytes = b"", location: str = "") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if location:
            handler.send_header("location", location)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def fetched(url: str, tmp_path: Path) -> bytes:
    project = Project("shop", "shop.mesh", tmp_path, tmp_path / "minimesh.toml")

    def no_plane() -> DataPlane:
        raise AssertionError("it is no service of the mesh")

    async def body() -> bytes:
        return await from_url(url, no_plane, lambda: project)()

    return asyncio.run(body())


def test_an_url_outside_is_asked_straight(tmp_path: Path) -> None:
    with serving(says(200, published())) as url:
        key_set(fetched(url, tmp_path)).verify(token(), "ES256", "p256")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(404), "status 404"),
        (says(302, location="http://127.0.0.1:9/other"), "leads elsewhere"),
        (says(200, b"x" * 2000), "more than 1000 bytes"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "did not answer"),
    ],
)
def test_what_an_url_may_not_answer(
    answer: Callable[[BaseHTTPRequestHandler], None], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1000)
    with serving(answer) as url, pytest.raises(CannotReadError, match=why):
        fetched(url, tmp_path)


def test_nobody_is_there(tmp_path: Path) -> None:
    with serving(says(200)) as url:
        pass
    with pytest.raises(CannotReadError, match="did not answer"):
        fetched(url, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    async def body() -> None:
        await from_file(tmp_path / "gone")()

    with pytest.raises(CannotReadError, match="cannot be read: No such file"):
        asyncio.run(body())


# --- what it holds


def test_users() -> None:
    hashed = "$2b$04$" + "a" * 53
    assert users_in(f"# staff\n\nann:{hashed}\n".encode()) == {"ann": hashed}
    for text, why in (("ann", "line 1"), ("ann:secret", "line 1"), (f"a:{hashed}\na:{hashed}", "once more")):
        with pytest.raises(CannotReadError, match=why):
            users_in(text.encode())


def test_passwords() -> None:
    import bcrypt

    users = {"ann": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
    assert is_password(users, "ann", b"secret")
    for name, password in (("ann", b"wrong"), ("bob", b"secret"), ("ann", b"secret\0x"), ("ann", b"x" * 73)):
        assert not is_password(users, name, password)
    assert not is_password({}, "ann", b"secret")


def test_the_key_of_development_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "state" / "token.key"
    pem = dev_key(file)
    assert dev_key(file) == pem
    assert file.stat().st_mode & 0o777 == 0o600
    dev_keys(pem)
    with pytest.raises(CannotReadError):
        dev_keys(b"x")
