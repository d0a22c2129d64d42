"""The schema of state.db, as the steps that led to it. A step that was released is never changed: add another one."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE authorities (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('root', 'intermediate')),
        key_id BLOB NOT NULL,
        root BLOB NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'old', 'tainted', 'revoked')),
        source TEXT NOT NULL CHECK (source IN ('own', 'brought', 'signed')),
        trust_domain TEXT NOT NULL,
        certificate BLOB NOT NULL,
        not_before REAL NOT NULL,
        not_after REAL NOT NULL,
        changed REAL NOT NULL,
        UNIQUE (kind, key_id)
    ) STRICT;
    CREATE TABLE leaves (
        serial TEXT PRIMARY KEY,
        trust_domain TEXT NOT NULL,
        service TEXT NOT NULL,
        issuer BLOB NOT NULL,
        not_before REAL NOT NULL,
        not_after REAL NOT NULL,
        use TEXT NOT NULL CHECK (use IN ('mesh', 'export')),
        revoked REAL
    ) STRICT;
    CREATE INDEX leaves_of_a_service ON leaves (service);
    CREATE TABLE barred (
        trust_domain TEXT NOT NULL,
        service TEXT NOT NULL,
        since REAL NOT NULL,
        PRIMARY KEY (trust_domain, service)
    ) STRICT;
    """,
    """
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        salt BLOB NOT NULL,
        digest BLOB NOT NULL,
        claims TEXT NOT NULL,
        created REAL NOT NULL,
        expires REAL,
        revoked REAL
    ) STRICT;
    CREATE INDEX api_keys_of_a_name ON api_keys (name);
    """,
)
"""The number of steps that a file has been through is its `user_version`."""
