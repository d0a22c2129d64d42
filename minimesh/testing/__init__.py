"""Shipped for tests: virtual clock, connections in memory, fake streams, playbooks, a conformance suite."""

from minimesh.testing.clock import VirtualClock
from minimesh.testing.multiplexed import Multiplex
from minimesh.testing.playbook import Play, Playbook, PlayError
from minimesh.testing.streams import ContractError, FakeClientStream, FakeServerStream
from minimesh.testing.transport import MemoryTransport

__all__ = [
    "ContractError",
    "FakeClientStream",
    "FakeServerStream",
    "MemoryTransport",
    "Multiplex",
    "Play",
    "PlayError",
    "Playbook",
    "VirtualClock",
]
