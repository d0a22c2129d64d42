"""Which classes carry HTTP/1.1: the fast codec, or the reference."""

from collections.abc import Callable
from dataclasses import dataclass

from minimesh.dataplane.http1.client import Home, Http1Client
from minimesh.dataplane.http1.server import Entrance, Http1Server


@dataclass(frozen=True, slots=True)
class Codec:
    """How to make the protocol of an accepted and of a dialled connection."""

    name: str
    server: Callable[[Entrance], Http1Server]
    client: Callable[[Home], Http1Client]


FAST = Codec("fast", Http1Server, Http1Client)
