"""Who is at the other end of a connection that came in."""

from dataclasses import dataclass
from enum import StrEnum

from minimesh.model.identity import Identity


class Attested(StrEnum):
    """Whether the process that connected is known to be the caller's own. VOUCHED: the mesh itself started it for a
    person in that caller's name. UNKNOWN: nobody looked, has looked yet, or could tell."""

    YES = "yes"
    VOUCHED = "vouched"
    NO = "no"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return self in (Attested.YES, Attested.VOUCHED)


@dataclass(frozen=True, slots=True)
class Caller:
    """As whom it calls: by the address that it came in by, or by the certificate that it showed."""

    identity: Identity
    attested: Attested = Attested.UNKNOWN
