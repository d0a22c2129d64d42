"""What a request shows of its user: the credentials in its fields, none of them looked at yet."""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass

from minimesh.model.auth import BadCredentialError, Flaw

KEY_PREFIX = b"mmk_"
"""What keys of `minimesh key add` begin with, so that they are told from tokens, and found where they have leaked."""
_AUTHORIZATION = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """The field Authorization: its scheme in lower case, b"" where there is none, and what follows."""

    scheme: bytes = b""
    value: bytes = b""

    @property
    def token(self) -> bytes | None:
        """Something signed."""
        return self.value if self.scheme == b"bearer" and not self.value.startswith(KEY_PREFIX) else None

    @property
    def key(self) -> bytes | None:
        """A key, where it is shown as a bearer's."""
        return self.value if self.scheme == b"bearer" and self.value.startswith(KEY_PREFIX) else None

    def password(self) -> tuple[str, bytes] | None:
        """Name and password (RFC 7617). Raises BadCredentialError."""
        if self.scheme != b"basic":
            return None
        try:
            name, colon, password = b64decode(self.value, validate=True).partition(b":")
            user = name.decode()
        except ValueError:
            colon = b""
        if not colon:
            raise BadCredentialError(Flaw.MALFORMED, "Authorization: Basic is not followed by a name and a password")
        return user, password


def shown_by(fields: Iterable[tuple[bytes, bytes]]) -> Shown:
    """Raises BadCredentialError where two services could take the request for that of different users."""
    value = only(fields, b"authorization")
    if not value:
        return Shown()
    match = _AUTHORIZATION.fullmatch(value)
    if match is None:
        raise BadCredentialError(Flaw.MALFORMED, "Authorization does not begin with a scheme, as in Bearer or Basic")
    return Shown(match[1].lower(), (match[2] or b"").strip(b" "))


def only(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a field that may be there once. Raises BadCredentialError."""
    values = [value for key, value in fields if key == name]
    if len(values) > 1:
        raise BadCredentialError(Flaw.AMBIGUOUS, f"{name.decode()} is there {len(values)} times")
    return values[0] if values else None
