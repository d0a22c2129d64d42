"""Passwords that are kept as bcrypt has hashed them, one at a line as htpasswd writes them."""

import re
from collections.abc import Mapping

import bcrypt

BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
LONGEST = 72
"""Bytes of a password that count for bcrypt; a longer one is refused rather than cut."""


def read_users(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Hashes by name, and what is wrong with the other lines."""
    users: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        if not name or not BCRYPT.fullmatch(hashed):
            wrong.append(f"line {number} is not NAME:HASH with a hash of bcrypt, as `htpasswd -nB NAME` writes it")
        elif name in users:
            wrong.append(f"line {number} has {name} once more")
        else:
            users[name] = hashed
    return users, tuple(wrong)


def is_password(users: Mapping[str, str], name: str, password: bytes) -> bool:
    """Slow by design (0.05 to 0.5 s), and as slow for a name that nobody has. Releases the GIL."""
    hashed = users.get(name)
    other = next(iter(users.values()), "")
    if not other or len(password) > LONGEST or b"\0" in password:
        return False
    return bcrypt.checkpw(password, (hashed or other).encode()) and hashed is not None
