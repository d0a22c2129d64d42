"""`mesh.attest` and `listen`: whose process a caller is, and the addresses where that alone tells who calls."""

from minimesh.model.attest import Attest
from minimesh.spec.kinds import Choice
from minimesh.spec.schema import Key

ATTEST = Key(
    "attest",
    Choice(Attest),
    "callers on a service's addresses that are no process of it: refused (enforce), marked (observe), or not looked at",
    '"observe"',
)
