"""The hosts outside that callers have asked their proxies for, as a view."""

from minimesh.control.layout import callers
from minimesh.control.mesh import Mesh
from minimesh.control.views import OutsideView
from minimesh.model.egress import OUTSIDE, Egress, Target
from minimesh.model.reason import EGRESS_REFUSED
from minimesh.model.service import Service, Task
from minimesh.policy.egress import Rules


def outside_views(mesh: Mesh) -> list[OutsideView]:
    """By caller and host, in the order in which they were first seen since the mesh has started."""
    known = callers(mesh.project)
    return [
        {
            "source": counters.key.source,
            "host": counters.key.route,
            "listed": _lists(known.get(counters.key.source), counters.key.route),
            "requests": counters.requests,
            "refused": counters.reasons.get(EGRESS_REFUSED.code, 0),
        }
        for counters in mesh.telemetry.counters.all()
        if counters.key.destination == OUTSIDE
    ]


def _lists(caller: Service | Task | None, host: str) -> bool:
    """Whether it has it in its list now."""
    name, _, port = host.rpartition(":")
    target = Target(name.strip("[]"), int(port)) if port.isdecimal() else None
    return caller is not None and target is not None and Rules(Egress.REGISTERED, caller.egress).lists(target)
