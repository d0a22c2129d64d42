"""How certificates are issued: `[identity]`."""

from dataclasses import dataclass, field
from pathlib import Path

from minimesh.model.where import NOWHERE, Where

DEFAULT_SVID_TTL = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class CaFiles:
    """An authority that the user has. cert: it, and those above it up to where trust begins; key: its own."""

    cert: Path
    key: Path
    where: Where = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SignCommand:
    """A command that signs the intermediate of each running mesh: a CSR on stdin, the chain up to the root on stdout.
    folder: where it runs."""

    argv: tuple[str, ...]
    folder: Path
    where: Where = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Issuing:
    """svid_ttl: seconds that a leaf lives. ca None: the project's own root."""

    svid_ttl: float = DEFAULT_SVID_TTL
    ca: CaFiles | SignCommand | None = None
