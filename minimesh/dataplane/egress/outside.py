"""Hosts that no file names, as something to send to: made when a caller asks, bounded, and let go when unused."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import NamedTuple

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.egress.pools import Allows, OutsidePool, TunnelPool
from minimesh.dataplane.egress.resolver import LookUp, Resolver
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Timed, Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.egress import OUTSIDE, Target
from minimesh.model.identity import Identity
from minimesh.model.service import Timeouts

MOST_HOSTS = 256
"""Upstreams at once, of all callers. One more, and the one that was used longest ago goes."""
UNUSED = 90.0
MOST_NAMED = 512
"""Callers and hosts that are counted by name; further ones are counted together."""
OTHER = "other"

CONNECT = 5.0
"""Seconds, with the looking up. More than for a neighbour: what is called here is far away."""
TUNNEL_IDLE = 3600.0
"""As Envoy's tcp_proxy."""


class Seen(NamedTuple):
    """The first time that a caller asked for a host. listed: the file names it; passed: it was let through."""

    source: str
    target: Target
    listed: bool
    passed: bool


class Outside(Timed):
    """One for the plane."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wheel: Wheel,
        outbox: Outbox,
        codec: Codec,
        monotonic: Callable[[], float],
        look_up: LookUp | None = None,
    ) -> None:
        super().__init__()
        self.resolver = Resolver(loop, monotonic, look_up)
        self._loop = loop
        self._wheel = wheel
        self._outbox = outbox
        self._codec = codec
        self._known: OrderedDict[tuple[Allows, Target, bool], tuple[Upstream, list[float]]] = OrderedDict()
        self._leaving: set[Upstream] = set()
        self._named: set[tuple[str, Target]] = set()
        self._seen: list[Seen] = []

    def upstream(self, caller: Identity, allows: Allows, target: Target, tunnel: bool) -> Upstream:
        """What to send to. tunnel: its connections are a caller's own, byte by byte."""
        key = (allows, target, tunnel)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (self._make(caller, allows, target, tunnel), [0.0])
            if len(self._known) > MOST_HOSTS:
                self._let_go(next(iter(self._known)))
            if self.due == inf:
                self._wheel.arm(self, self._wheel.now + UNUSED / 3)
        else:
            self._known.move_to_end(key)
        known[1][0] = self._wheel.now
        return known[0]

    def nowhere(self, caller: Identity) -> Upstream:
        """Where nothing is sent."""
        spec = snapshot.Upstream(Identity(caller.trust_domain, OUTSIDE), outside=True)
        return Upstream(spec, self._loop, self._wheel, self._outbox, self._codec)

    def name_of(self, source: str, target: Target, listed: bool, passed: bool) -> str:
        """What a call is counted under; and that it was seen."""
        key = (source, target)
        if key in self._named:
            return str(target)
        if len(self._named) >= MOST_NAMED:
            return OTHER
        self._named.add(key)
        self._seen.append(Seen(source, target, listed, passed))
        return str(target)

    def take_seen(self) -> list[Seen]:
        """What was seen for the first time since this was last asked."""
        seen, self._seen = self._seen, []
        return seen

    def _make(self, caller: Identity, allows: Allows, target: Target, tunnel: bool) -> Upstream:
        spec = snapshot.Upstream(
            Identity(caller.trust_domain, OUTSIDE),
            (snapshot.Endpoint(str(target), (Address(*target),)),),
            Timeouts(connect=CONNECT, idle=TUNNEL_IDLE) if tunnel else Timeouts(connect=CONNECT),
            outside=True,
        )
        pool = partial(TunnelPool if tunnel else OutsidePool, resolver=self.resolver, allows=allows)
        return Upstream(spec, self._loop, self._wheel, self._outbox, self._codec, pool=pool)

    def _let_go(self, key: tuple[Allows, Target, bool]) -> None:
        upstream, _ = self._known.pop(key)
        upstream.retire()
        self._leaving = {each for each in self._leaving if each.busy}
        self._leaving.add(upstream)

    def timed_out(self) -> None:
        """Those that were used longest ago stand first."""
        for key, (upstream, used) in tuple(self._known.items()):
            if used[0] + UNUSED > self._wheel.now:
                break
            if not upstream.busy:
                self._let_go(key)
        if self._known:
            self._wheel.arm(self, self._wheel.now + UNUSED / 3)

    def __iter__(self) -> Iterator[Upstream]:
        """All that may have something under way."""
        yield from (upstream for upstream, _ in self._known.values())
        yield from self._leaving

    def close(self) -> None:
        self.resolver.close()
        for upstream in tuple(self):
            upstream.close()
