"""The keys of `minimesh key`: on the disk first, then in force, from the next request on."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from minimesh.control.views import KeyView, NewKeyView
from minimesh.model.auth import ApiKey
from minimesh.policy.apikey import new_key
from minimesh.store.apikeys import add_key, load_keys, revoke_keys
from minimesh.store.database import Database
from minimesh.telemetry.accesslog import timestamp


class NoSuchKeyError(LookupError):
    """Nobody has a key of this name or id; or several have, and which is meant is not said."""


class Keyring:
    """keys: by id. wall: seconds since 1970."""

    def __init__(self, store: Database, wall: Callable[[], float]) -> None:
        self.keys: Mapping[str, ApiKey] = {}
        self._store = store
        self._wall = wall

    async def load(self) -> None:
        """Raises NotWrittenError where the file cannot be read."""
        self.keys = await self._store.ask(load_keys)

    async def add(self, name: str, claims: Mapping[str, object], within: float | None) -> NewKeyView:
        """The key itself is in the answer, and nowhere else. within: seconds that it is good for. Raises
        NotWrittenError."""
        text, key_id, salt, digest = new_key(os.urandom)
        now = self._wall()
        key = ApiKey(key_id, name, salt, digest, claims, now, None if within is None else now + within)
        await self._store.change(lambda connection: add_key(connection, key))
        self.keys = {**self.keys, key_id: key}
        return {"key": text, **view(key, now)}

    async def revoke(self, wanted: str) -> KeyView:
        """By id, or by the name of somebody who has only one that counts. Raises NoSuchKeyError or NotWrittenError."""
        now = self._wall()
        key = self._meant(wanted, now)
        await self._store.change(lambda connection: revoke_keys(connection, [key.key_id], now))
        revoked = replace(key, revoked=True)
        self.keys = {**self.keys, key.key_id: revoked}
        return view(revoked, now)

    def views(self) -> list[KeyView]:
        now = self._wall()
        return [view(key, now) for key in self.keys.values()]

    def _meant(self, wanted: str, now: float) -> ApiKey:
        if wanted in self.keys:
            return self.keys[wanted]
        named = [key for key in self.keys.values() if key.name == wanted]
        good = [key for key in named if state(key, now) == "good"] or named[:1]
        if not good:
            raise NoSuchKeyError(f"there is no key of {wanted}")
        if len(good) > 1:
            ids = ", ".join(key.key_id for key in good)
            raise NoSuchKeyError(f"{wanted} has {len(good)} keys: say which of {ids}")
        return good[0]


def state(key: ApiKey, now: float) -> str:
    if key.revoked:
        return "revoked"
    return "expired" if key.expires is not None and key.expires <= now else "good"


def view(key: ApiKey, now: float) -> KeyView:
    return {
        "id": key.key_id,
        "name": key.name,
        "state": state(key, now),
        "claims": dict(key.claims),
        "created": timestamp(key.created),
        "expires": None if key.expires is None else timestamp(key.expires),
    }
