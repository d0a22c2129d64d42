"""The keys of `minimesh key` in the state file: of each a salted hash, never the key."""

import json
from sqlite3 import Connection

from minimesh.model.auth import ApiKey


def load_keys(connection: Connection) -> dict[str, ApiKey]:
    """By id, in the order in which they were made."""
    rows = connection.execute(
        "SELECT id, name, salt, digest, claims, created, expires, revoked FROM api_keys ORDER BY created, id"
    )
    return {
        key_id: ApiKey(key_id, name, salt, digest, json.loads(claims), created, expires, revoked is not None)
        for key_id, name, salt, digest, claims, created, expires, revoked in rows
    }


def add_key(connection: Connection, key: ApiKey) -> None:
    connection.execute(
        "INSERT INTO api_keys (id, name, salt, digest, claims, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key.key_id, key.name, key.salt, key.digest, json.dumps(dict(key.claims)), key.created, key.expires),
    )


def revoke_keys(connection: Connection, key_ids: list[str], now: float) -> None:
    """For ever; who is revoked already stays so. now: seconds since 1970."""
    connection.executemany(
        "UPDATE api_keys SET revoked = ? WHERE id = ? AND revoked IS NULL", [(now, key_id) for key_id in key_ids]
    )
