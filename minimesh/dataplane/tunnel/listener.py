"""A bound address where bytes come in that the mesh does not look at."""

from collections.abc import Mapping

from minimesh.dataplane.acceptor import Acceptor
from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.router import Router
from minimesh.dataplane.tunnel.tunnel import PROTOCOL, Tunnel
from minimesh.dataplane.tunnel.way import Way
from minimesh.dataplane.upstream import Upstream
from minimesh.model import snapshot
from minimesh.telemetry.counters import CounterKey


class TcpListener(Acceptor):
    """Each of its connections becomes a tunnel of its own."""

    doorway: Doorway | None = None
    way: Way | None = None
    by_name: Router[Way] | None = None

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        self.doorway = Doorway(spec.edge, PROTOCOL) if spec.edge.allow_ips else None
        ways = [(route.host, route.path, self._way(route.to, upstreams)) for route in spec.routes]
        self.way = next((way for host, _, way in ways if host is None), None)
        self.by_name = Router(ways) if any(host for host, _, _ in ways) else None

    def _way(self, service: str, upstreams: Mapping[str, Upstream]) -> Way:
        return Way(upstreams[service], self._counters.of(CounterKey(self.source, service, PROTOCOL)))

    def _connection(self) -> ServerConnection:
        near = Tunnel(self).near
        assert near is not None, "it was only just made"
        return near
