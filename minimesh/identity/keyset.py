"""The public keys of an issuer of tokens (JWKS, RFC 7517), and whether one of them signed a token.

Signatures are PyJWT's. Which key may check which algorithm is decided here, from the key alone: a token that names
another algorithm than its key has is refused before anything is computed (RFC 8725, section 3.1).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from jwt.exceptions import InvalidSignatureError, PyJWTError

from minimesh.model.auth import ALGORITHMS, Algorithm, BadCredentialError, Flaw

MOST_KEYS = 100
SMALLEST_RSA = 2048
_TRIED = 8
"""Keys that are tried for a token that does not say which one it is."""
# By kind of key and curve: what it can sign, and of what it consists. Private parts of a key are never looked at.
_CURVES: dict[object, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_PUBLIC: dict[object, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


class KeySetError(ValueError):
    """The text is no set of keys that anything could be checked with."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """By algorithm, since one of RSA can have several."""

    key_id: str | None
    by_algorithm: Mapping[str, jwt.PyJWK]


@dataclass(frozen=True, slots=True)
class KeySet:
    """ignored: what of the text is not used and why, for people."""

    keys: tuple[PublicKey, ...] = ()
    ignored: tuple[str, ...] = ()
    _jws: jwt.PyJWS = field(default_factory=lambda: jwt.PyJWS([*ALGORITHMS]), compare=False)

    def verify(self, token: bytes, algorithm: str, key_id: str | None) -> None:
        """Raises BadCredentialError where none of the keys has signed the token."""
        named = [key for key in self.keys if key_id is None or key.key_id == key_id]
        if not named:
            raise BadCredentialError(Flaw.UNKNOWN_KEY, "the token was signed with a key that its issuer does not have")
        fit = [key.by_algorithm[algorithm] for key in named if algorithm in key.by_algorithm]
        if not fit:
            able = ", ".join(sorted({each for key in named for each in key.by_algorithm}))
            raise BadCredentialError(Flaw.ALGORITHM, f"the token's key is for {able}, not for what the token says")
        for key in fit[:_TRIED]:
            try:
                self._jws.decode_complete(token, key, [algorithm])
            except InvalidSignatureError:
                continue
            except PyJWTError as error:
                raise BadCredentialError(Flaw.MALFORMED, f"the token cannot be read: {error}") from None
            return
        raise BadCredentialError(Flaw.SIGNATURE, "the token's signature is not that of its issuer")


def read_key_set(text: bytes) -> KeySet:
    """Raises KeySetError. A key that cannot be used is left out, as RFC 7517 has it (section 5)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise KeySetError("it is not JSON") from None
    written = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(written, list):
        raise KeySetError("it has no list `keys`")
    if len(written) > MOST_KEYS:
        raise KeySetError(f"it has {len(written)} keys, more than {MOST_KEYS}")
    keys, ignored = [], []
    for number, each in enumerate(written, 1):
        try:
            keys.append(_key(each))
        except KeySetError as error:
            ignored.append(f"key {number} is not used: {error}")
    if not keys:
        raise KeySetError("; ".join(ignored) or "it has no key")
    return KeySet(tuple(keys), tuple(ignored))


def _key(written: object) -> PublicKey:
    if not isinstance(written, dict):
        raise KeySetError("it is not a JSON object")
    key_id, kind, operations = written.get("kid"), written.get("kty"), written.get("key_ops", ["verify"])
    if not isinstance(key_id, str | None):
        raise KeySetError("its `kid` is not a string")
    if written.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeySetError("it is not for signatures")
    if kind == "oct":
        raise KeySetError("it is a shared secret")
    public = _PUBLIC.get(kind) if isinstance(kind, str) else None
    if public is None:
        raise KeySetError("its kind is not one of RSA, EC and OKP")
    own = written.get("alg")
    able = [each for each in _able(kind, written.get("crv")) if own in (None, each)]
    if not able:
        raise KeySetError(f"its algorithm is not one of {', '.join(ALGORITHMS)}")
    parts = {"kty": kind, **{name: written[name] for name in public if name in written}}
    try:
        made = {each: jwt.PyJWK(parts, each) for each in able}
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise KeySetError(f"it is no key: {error}") from None
    if kind == "RSA" and next(iter(made.values())).key.key_size < SMALLEST_RSA:
        raise KeySetError(f"it has fewer than {SMALLEST_RSA} bits")
    return PublicKey(key_id, made)


def _able(kind: object, curve: object) -> tuple[str, ...]:
    if kind == "RSA":
        return tuple(each for each in Algorithm if each.startswith(("RS", "PS")))
    if kind == "EC":
        return (_CURVES[curve],) if curve in _CURVES else ()
    return ("EdDSA",) if curve == "Ed25519" else ()
