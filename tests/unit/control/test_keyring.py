"""The keys of `minimesh key`: kept as hashes, in force at once, there again after a restart."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from minimesh.control import bodies
from minimesh.control.auth.keyring import Keyring, NoSuchKeyError
from minimesh.control.refusal import ApiError
from minimesh.model.auth import BadCredentialError, Flaw
from minimesh.policy.apikey import find_key
from minimesh.store.database import opened
from minimesh.store.migrations import MIGRATIONS

T = TypeVar("T")
NOW = 1_700_000_000.0


class Run:
    """A run of a mesh as far as its keys go; time is in our hands."""

    def __init__(self, file: Path) -> None:
        self.now = NOW
        self.store = opened(file, MIGRATIONS)
        self.ring = Keyring(self.store, lambda: self.now)

    def found(self, text: str) -> str:
        return find_key(text.encode(), self.ring.keys, self.now).name


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Run], Awaitable[T]]], T]:
    """Runs something with a run that has loaded its keys."""

    def with_run(what: Callable[[Run], Awaitable[T]]) -> T:
        async def body() -> T:
            run = Run(tmp_path / "state.db")
            try:
                await run.ring.load()
                return await what(run)
            finally:
                run.store.close()

        return asyncio.run(body())

    return with_run


Play = Callable[[Callable[[Run], Awaitable[object]]], object]


def test_a_key_counts_at_once_and_after_a_restart_until_it_is_revoked(play: Play, tmp_path: Path) -> None:
    texts: list[str] = []

    async def adds(run: Run) -> None:
        made = await run.ring.add("acme", {"plan": "paid"}, None)
        texts.append(made["key"])
        assert run.found(made["key"]) == "acme"

    async def revokes(run: Run) -> None:
        assert run.found(texts[0]) == "acme"
        assert (await run.ring.revoke("acme"))["state"] == "revoked"
        with pytest.raises(BadCredentialError) as caught:
            run.found(texts[0])
        assert caught.value.flaw is Flaw.REVOKED

    async def stays_so(run: Run) -> None:
        assert [(each["name"], each["state"], each["claims"]) for each in run.ring.views()] == [
            ("acme", "revoked", {"plan": "paid"})
        ]

    for step in (adds, revokes, stays_so):
        play(step)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert texts[0].encode() not in written
    assert texts[0].rpartition("_")[2].encode() not in written, "the key is kept nowhere"


def test_a_key_ends_by_itself(play: Play) -> None:
    async def expires(run: Run) -> None:
        text = (await run.ring.add("acme", {}, 60.0))["key"]
        run.now += 59.9
        assert run.found(text) == "acme"
        run.now += 0.1
        with pytest.raises(BadCredentialError) as caught:
            run.found(text)
        assert caught.value.flaw is Flaw.EXPIRED
        assert run.ring.views()[0]["state"] == "expired"

    play(expires)


def test_which_key_is_meant(play: Play) -> None:
    async def several(run: Run) -> None:
        first = await run.ring.add("acme", {}, None)
        second = await run.ring.add("acme", {}, None)
        with pytest.raises(NoSuchKeyError, match="say which of"):
            await run.ring.revoke("acme")
        await run.ring.revoke(first["id"])
        assert (await run.ring.revoke("acme"))["id"] == second["id"], "the only one that counts"
        assert (await run.ring.revoke("acme"))["state"] == "revoked", "once more is no mistake"
        with pytest.raises(NoSuchKeyError, match="no key of nobody"):
            await run.ring.revoke("nobody")

    play(several)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"name": ""},
        {"name": "a b"},
        {"name": "a\n"},
        {"name": "x" * 65},
        {"name": 7},
        {"name": "a", "claims": []},
        {"name": "a", "claims": {str(number): 1 for number in range(33)}},
        {"name": "a", "within_ms": 0},
        {"name": "a", "within_ms": True},
        {"name": "a", "within_ms": "1"},
        {"name": "a", "more": 1},
    ],
)
def test_what_is_no_request_for_a_key(body: object) -> None:
    with pytest.raises(ApiError):
        bodies.new_key(body)


def test_a_request_for_a_key() -> None:
    assert bodies.new_key({"name": "ann@acme", "within_ms": 1500}) == ("ann@acme", {}, 1.5)
