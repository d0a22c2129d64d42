"""How the user at the far end of a call is known: the providers of [auth.*], and what each finds out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from minimesh.model.where import NOWHERE, Where


class Algorithm(StrEnum):
    """Of signatures whose key everybody may know. With a shared one (HS256) whoever checks could sign as well."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


ALGORITHMS = tuple(Algorithm)

DEV_ISSUER = "minimesh"
"""Who `minimesh token` says that its tokens are from."""

SUBJECT = "sub"
"""The claim that says who it is."""


class Flaw(StrEnum):
    """What is wrong with a credential, told to whoever showed it."""

    AMBIGUOUS = "ambiguous"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    DUPLICATE = "duplicate"
    ENCRYPTED = "encrypted"
    TYPE = "type"
    ALGORITHM = "algorithm"
    CRITICAL = "critical"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    CLAIM = "claim"
    EXPIRED = "expired"
    NOT_YET = "not_yet_valid"
    REVOKED = "revoked"
    PASSWORD = "password"


class BadCredentialError(Exception):
    """Something was shown, and it is not good. detail: for people on this machine; holds nothing secret."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(detail)
        self.flaw = flaw
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Known:
    """Who somebody has proved to be. until: wall-clock seconds; fields: for the service."""

    claims: Mapping[str, object] = field(default_factory=dict)
    subject: str = ""
    until: float = float("inf")
    fields: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Jwt:
    """Signed tokens of an issuer. jwks: a file or an URL with its keys; None: only those of `minimesh token` count,
    which `dev` says. audience: one of these must be named by the token; (): it must name none. leeway: seconds."""

    issuer: str = ""
    jwks: Path | str | None = None
    audience: tuple[str, ...] = ()
    leeway: float = 30.0
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    dev: bool = False

    @property
    def issuers(self) -> tuple[str, ...]:
        named = (self.issuer,) if self.issuer else ()
        return (*named, DEV_ISSUER) if self.dev else named


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of `minimesh key add`. header: in lower case."""

    header: str = "x-api-key"


@dataclass(frozen=True, slots=True)
class Basic:
    """Names and passwords. users: a file as htpasswd writes it, or bcrypt hashes by name."""

    users: Path | Mapping[str, str]
    realm: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Another program decides. copy: fields of its answer that the service gets, in lower case. timeout: seconds."""

    url: str
    copy: tuple[str, ...] = ()
    timeout: float = 5.0


Method = Jwt | Keys | Basic | Forward


@dataclass(frozen=True, slots=True)
class Provider:
    """A named way to know the user. copy: fields that the service gets, by name in lower case, each with the claim that
    it holds; nobody else can send them. pass_on: the service gets the credential itself too."""

    name: str
    method: Method
    copy: Mapping[str, str] = field(default_factory=dict)
    pass_on: bool = False
    where: Where = NOWHERE

    @property
    def made(self) -> tuple[str, ...]:
        """The fields that the mesh alone can send to the service."""
        return self.method.copy if isinstance(self.method, Forward) else tuple(self.copy)


class Missing(StrEnum):
    """What becomes of a request that shows no credential."""

    REFUSE = "refuse"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Auth:
    """Which providers are asked, by their names; one that knows the user is enough. use (): none, "off"."""

    use: tuple[str, ...] = ()
    missing: Missing = Missing.REFUSE
    where: Where = NOWHERE
    providers: tuple[Provider, ...] = ()

    def resolved(self, known: Mapping[str, Provider]) -> "Auth":
        return replace(self, providers=tuple(known[name] for name in self.use if name in known))

    @property
    def without_places(self) -> "Auth":
        """That it stands on another line is no difference."""
        plain = tuple(replace(provider, where=NOWHERE) for provider in self.providers)
        return replace(self, where=NOWHERE, providers=plain)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for a program, as it is kept: not the key itself. created, expires: wall-clock seconds."""

    key_id: str
    name: str
    salt: bytes
    digest: bytes
    claims: Mapping[str, object] = field(default_factory=dict)
    created: float = 0.0
    expires: float | None = None
    revoked: bool = False
