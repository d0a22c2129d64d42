"""A bound address where bytes come in that the mesh does not look at."""

from collections.abc import Mapping

from minimesh.dataplane.acceptor import Acceptor
from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.router import Router
from minimesh.dataplane.tunnel.tunnel import PROTOCOL, Tunnel
from minimesh.dataplane.tunnel.way import Way, guarded_way
from minimesh.dataplane.upstream import Upstream
from minimesh.model import snapshot
from minimesh.model.route import Route
from minimesh.telemetry.counters import CounterKey


class TcpListener(Acceptor):
    """Each of its connections becomes a tunnel of its own."""

    doorway: Doorway | None = None
    way: Way | None = None
    by_name: Router[Way] | None = None

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        self.doorway = Doorway(spec.edge, PROTOCOL) if spec.edge.allow_ips else None
        ways = [(route.host, route.path, self._way(route, upstreams[route.to])) for route in spec.routes]
        self.way = next((way for host, _, way in ways if host is None), None)
        self.by_name = Router(ways) if any(host for host, _, _ in ways) else None

    def _way(self, route: Route, upstream: Upstream) -> Way:
        counters = self._counters.of(CounterKey(self.source, route.to, PROTOCOL))
        return guarded_way(self.spec, route, upstream, counters, self._guardians)

    def _connection(self) -> ServerConnection:
        near = Tunnel(self).near
        assert near is not None, "it was only just made"
        return near
