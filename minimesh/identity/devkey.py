"""The project's own key for tokens of development: `minimesh token` signs with it, a provider with `dev` checks."""

import json
from collections.abc import Mapping
from hashlib import sha256

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

from minimesh.identity.keyset import KeySet, read_key_set

_ALGORITHM = "ES256"


class DevKeyError(Exception):
    """The text is no such key."""


def new_dev_key() -> bytes:
    """As PEM."""
    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dev_key_set(pem: bytes) -> KeySet:
    """The public half, as an issuer's keys. Raises DevKeyError."""
    public = _public(_loaded(pem))
    return read_key_set(json.dumps({"keys": [{**public, "kid": _key_id(public), "alg": _ALGORITHM}]}).encode())


def signed(pem: bytes, claims: Mapping[str, object]) -> str:
    """A token that says so. Raises DevKeyError."""
    key = _loaded(pem)
    return jwt.encode(dict(claims), key, _ALGORITHM, {"kid": _key_id(_public(key))})


def _public(key: EllipticCurvePrivateKey) -> dict[str, object]:
    return dict(ECAlgorithm.to_jwk(key.public_key(), as_dict=True))


def _key_id(public: Mapping[str, object]) -> str:
    """So that a key which is another one by now is not taken for this one."""
    return f"dev-{sha256(json.dumps(public, sort_keys=True).encode()).hexdigest()[:12]}"


def _loaded(pem: bytes) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise DevKeyError(str(error)) from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise DevKeyError("it is not a key of the curve P-256")
    return key
