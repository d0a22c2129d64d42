"""An issuer of tokens that says whatever it is asked to, with real keys and bad ones."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_700_000_000.0
ISSUER = "https://id.example.test"
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    key_id: str
    key: PrivateKey
    algorithm: str

    @property
    def public(self) -> dict[str, object]:
        made: object
        match self.key:
            case RSAPrivateKey():
                made = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            case Ed25519PrivateKey():
                made = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            case _:
                made = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        assert isinstance(made, dict)
        return {**made, "kid": self.key_id}


@cache
def signers() -> dict[str, Signer]:
    """By key id. `strange` and `small` are of nobody's, or too weak."""
    rsa = generate_rsa(65537, 2048)
    return {
        each.key_id: each
        for each in (
            Signer("rsa", rsa, "RS256"),
            Signer("p256", generate_private_key(SECP256R1()), "ES256"),
            Signer("p384", generate_private_key(SECP384R1()), "ES384"),
            Signer("p521", generate_private_key(SECP521R1()), "ES512"),
            Signer("ed", Ed25519PrivateKey.generate(), "EdDSA"),
            Signer("strange", generate_private_key(SECP256R1()), "ES256"),
            Signer("small", generate_rsa(65537, 1024), "RS256"),
        )
    }


def key_set(*names: str, **more: object) -> bytes:
    """The issuer's keys, as it publishes them."""
    wanted = names or ("rsa", "p256", "p384", "p521", "ed")
    return json.dumps({"keys": [{**signers()[name].public, **more} for name in wanted]}).encode()


def claims(**changes: object) -> dict[str, object]:
    """Good ones; None takes a claim away."""
    said: dict[str, object] = {
        "iss": ISSUER,
        "aud": "shop",
        "sub": "ann",
        "iat": NOW - 10,
        "exp": NOW + 300,
        "plan": "paid",
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(
    name: str = "p256",
    said: Mapping[str, object] | None = None,
    *,
    algorithm: str | None = None,
    header: Mapping[str, object] | None = None,
) -> bytes:
    """Signed properly; header: beside alg and typ, None takes `kid` away."""
    signer = signers()[name]
    own = {"kid": signer.key_id, **(header or {})}
    fields = {key: value for key, value in own.items() if value is not None}
    return jwt.encode(
        dict(claims() if said is None else said), signer.key, algorithm or signer.algorithm, fields
    ).encode()


def raw(header: bytes, payload: bytes, signature: bytes | None = None, name: str = "p256") -> bytes:
    """Whatever bytes, signed properly where no signature is given."""
    signer = signers()[name]
    signed = b".".join((part(header), part(payload)))
    if signature is None:
        algorithm = jwt.PyJWS().get_algorithm_by_name(signer.algorithm)
        signature = algorithm.sign(signed, signer.key)
    return b".".join((signed, part(signature)))


def part(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def dump(value: object) -> bytes:
    return json.dumps(value).encode()
