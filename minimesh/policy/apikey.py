"""Keys for programs: random texts, of which a keyed hash is kept. Not slow to check, for nobody guesses 256 bits."""

import hmac
import re
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b

from minimesh.model.auth import ApiKey, BadCredentialError, Flaw
from minimesh.policy.claims import told
from minimesh.policy.shown import KEY_PREFIX

_FORM = re.compile(rb"mmk_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
SALT = 16


def new_key(random: Callable[[int], bytes]) -> tuple[str, str, bytes, bytes]:
    """The key itself, which is shown once; its id, its salt and what is kept of it. random: so many bytes."""
    key_id = b32encode(random(5)).decode().lower()
    text = f"{KEY_PREFIX.decode()}{key_id}_{urlsafe_b64encode(random(32)).rstrip(b'=').decode()}"
    salt = random(SALT)
    return text, key_id, salt, digest_of(text.encode(), salt)


def digest_of(text: bytes, salt: bytes) -> bytes:
    return blake2b(text, key=salt, digest_size=32).digest()


def find_key(text: bytes, keys: Mapping[str, ApiKey], now: float) -> ApiKey:
    """Whose key it is. Raises BadCredentialError. now: wall-clock seconds."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadCredentialError(Flaw.MALFORMED, "it is no key of `minimesh key add`: those begin with mmk_")
    key = keys.get(form[1].decode())
    if key is None or not hmac.compare_digest(digest_of(text, key.salt), key.digest):
        raise BadCredentialError(Flaw.UNKNOWN_KEY, "nobody has this key")
    if key.revoked:
        raise BadCredentialError(Flaw.REVOKED, f"the key {key.key_id} of {key.name} was revoked")
    if key.expires is not None and key.expires <= now:
        raise BadCredentialError(Flaw.EXPIRED, f"the key {key.key_id} of {key.name} expired at {told(key.expires)}")
    return key
