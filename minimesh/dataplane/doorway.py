"""Who comes in from outside: where a request really comes from, whether it may, and what a service is told of it."""

from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.values import authority
from minimesh.model.edge import Edge
from minimesh.policy.forwarded import Networks, Origin, ip_of, origin

_SCHEMES = ("http", "https")


class Doorway:
    """Of one listener. `proto`: what is spoken there, as X-Forwarded-Proto has it."""

    __slots__ = ("_allowed", "_proto", "_trusted", "where")

    def __init__(self, edge: Edge, proto: str) -> None:
        self._proto = proto
        self._trusted = Networks(edge.trusted_proxies) if edge.trusted_proxies else None
        self._allowed = Networks(edge.allow_ips) if edge.allow_ips else None
        self.where = str(edge.where)

    def origin(self, peer: str, head: RequestHead) -> Origin:
        """`peer`: address and port at the other end of the connection."""
        address = peer.rpartition(":")[0]
        if self._trusted is None:
            return Origin(address)
        said: dict[bytes, list[str]] = {}
        for name, value in head.forwarded.pairs:
            said.setdefault(name, []).extend(value.decode("latin-1").split(","))
        by, protos, hosts = (
            [entry.strip() for entry in said.get(b"x-forwarded-" + name, ())] for name in (b"for", b"proto", b"host")
        )
        return origin(address, self._trusted, by, protos, hosts)

    def keeps_out(self, client: str) -> bool:
        if self._allowed is None:
            return False
        ip = ip_of(client)
        return ip is None or ip not in self._allowed

    def why(self, client: str) -> str:
        """That it is kept out."""
        return f"{client} is not among `allow_ips`"

    def lines(self, peer: str, came: Origin, head: RequestHead) -> bytes:
        """What services are told: X-Forwarded-For with those who are believed, -Proto and -Host."""
        proto = came.proto if came.proto in _SCHEMES else self._proto
        host = authority(came.host.encode("latin-1")) or head.authority
        chain = (*came.chain, peer.rpartition(":")[0])
        lines = b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\n" % (", ".join(chain).encode(), proto.encode())
        return lines + b"x-forwarded-host: %b\r\n" % host if host else lines
