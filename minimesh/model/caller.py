"""Who is at the other end of a connection that came in."""

from dataclasses import dataclass
from enum import StrEnum

from minimesh.model.identity import Identity


class Attested(StrEnum):
    """Whether the process that connected is known to be the caller's own. VOUCHED: the mesh itself, or what a person
    has started in that caller's name with a command of the mesh. UNKNOWN: nobody has looked, or could tell."""

    YES = "yes"
    VOUCHED = "vouched"
    NO = "no"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return self in (Attested.YES, Attested.VOUCHED)


@dataclass(slots=True)
class Caller:
    """As whom it calls: by the address that it came in by, or by the certificate that it showed. What is found out
    while it is served already is filled in, for whatever holds this by then.

    who: the process that has connected, `curl, pid 4312`, or why that is not known; "" where nobody looked."""

    identity: Identity
    attested: Attested = Attested.UNKNOWN
    who: str = ""
