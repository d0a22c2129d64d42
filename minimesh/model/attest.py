"""Whose process it is that has connected: what can be asked, and what is found."""

from enum import StrEnum
from typing import NamedTuple

from minimesh.model.address import Address
from minimesh.model.caller import Attested


class Attest(StrEnum):
    """What becomes of a caller that is no process of the service as which it calls. ENFORCE: it is refused, and every
    caller waits until that is known. OBSERVE: it is marked, and nobody waits. OFF: nobody looks."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    OFF = "off"


class Ends(NamedTuple):
    """Of a connection, or of datagrams: this end, and the other one."""

    local: Address
    remote: Address
    datagrams: bool = False


class Question(NamedTuple):
    """ends: as the caller has them. among: the services that it may be. to: whom it calls."""

    ends: Ends
    among: frozenset[str]
    to: str


class Found(NamedTuple):
    """service: the one of those that were asked for, or "". program, pid: the process, `curl` and 4312; or else why
    that is not known. other: a service of this mesh that it is of, and that was not asked for."""

    attested: Attested
    service: str = ""
    program: str = ""
    pid: int = 0
    other: str = ""
    why: str = ""

    @property
    def who(self) -> str:
        """`curl, pid 4312`, `pay (node, pid 4312)`; or why that is not known."""
        if not self.pid:
            return self.why
        process = f"{self.program or 'a process'}, pid {self.pid}"
        return f"{self.other} ({process})" if self.other else process
