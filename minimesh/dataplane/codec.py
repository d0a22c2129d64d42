"""Which classes carry HTTP: the fast codec, or the reference."""

from collections.abc import Callable
from dataclasses import dataclass

from minimesh.dataplane.connections import (
    ClientConnection,
    Entrance,
    Home,
    MultiplexedConnection,
    MultiplexedHome,
    ServerConnection,
)
from minimesh.dataplane.http1.client import Http1Client
from minimesh.dataplane.http1.server import Http1Server
from minimesh.dataplane.http2.client import Http2Client
from minimesh.dataplane.http2.server import Http2Server


@dataclass(frozen=True, slots=True)
class Codec:
    """How to make the protocol of an accepted and of a dialled connection; of both kinds, those that carry one exchange
    at a time, and those that carry many."""

    name: str
    server: Callable[[Entrance], ServerConnection]
    client: Callable[[Home], ClientConnection]
    multiplexed_server: Callable[[Entrance], ServerConnection] = Http2Server
    multiplexed_client: Callable[[MultiplexedHome], MultiplexedConnection] = Http2Client


FAST = Codec("fast", Http1Server, Http1Client)
