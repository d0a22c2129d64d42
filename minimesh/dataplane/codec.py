"""Which classes carry HTTP/1.1: the fast codec, or the reference."""

from collections.abc import Callable
from dataclasses import dataclass

from minimesh.dataplane.connections import ClientConnection, Entrance, Home, ServerConnection
from minimesh.dataplane.http1.client import Http1Client
from minimesh.dataplane.http1.server import Http1Server


@dataclass(frozen=True, slots=True)
class Codec:
    """How to make the protocol of an accepted and of a dialled connection."""

    name: str
    server: Callable[[Entrance], ServerConnection]
    client: Callable[[Home], ClientConnection]


FAST = Codec("fast", Http1Server, Http1Client)
