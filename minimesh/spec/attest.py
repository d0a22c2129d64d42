"""`mesh.attest` and `listen`: whose process a caller is, and the addresses where that alone tells who calls."""

from minimesh.model.address import Address
from minimesh.model.attest import Attest
from minimesh.model.service import Protocol
from minimesh.spec import codes
from minimesh.spec.addresses import Listen
from minimesh.spec.kinds import Choice, quote
from minimesh.spec.node import Node
from minimesh.spec.schema import Fields, Key


class _OnThisMachine(Listen):
    """As of the gateway, but on loopback: whoever calls from elsewhere has no process here."""

    example = '"127.0.0.1:8001"'

    def read(self, node: Node) -> Address:
        address = super().read(node)
        if not (address.host.startswith("127.") or address.host == "::1"):
            message = f"{node.label} is {address}: callers are known by their processes, so they are on this machine"
            node.reject(codes.VALUE, message, node.pair(quote(f"127.0.0.1:{address.port}")))
        return address


ATTEST = Key(
    "attest",
    Choice(Attest),
    "callers on a service's addresses that are no process of it: refused (enforce), marked (observe), or not looked at",
    '"observe"',
)
LISTEN = Key(
    "listen",
    _OnThisMachine(),
    "one more address, the same for all its callers, who are told apart by their processes; left out: none",
)


def check_listen(fields: Fields, protocol: Protocol | None) -> None:
    """Only where something is connected to."""
    if not fields.wrote("listen") or fields["listen"].path[0] == "defaults":
        return
    node, name = fields["listen"], fields.node.name
    if protocol is Protocol.UDP:
        message = f"{name} speaks udp, whose callers make no connections that could be passed on"
        node.note_key(codes.CONFLICT, message, f"take `listen` out; callers find it at ${name.upper()}_ADDR")
    elif fields.wrote("port") and fields["port"].value == "none":
        node.note_key(codes.CONFLICT, f'{name} has port = "none" and takes no calls', "take `listen` out")
