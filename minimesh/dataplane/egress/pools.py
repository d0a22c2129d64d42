"""How a host outside is dialled: looked up, looked at, and only then connected to, where it was seen to be."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from minimesh.dataplane.connecting import DialError
from minimesh.dataplane.connections import ClientConnection
from minimesh.dataplane.egress.raw import RawConnection
from minimesh.dataplane.egress.resolver import NotFoundError, Resolver
from minimesh.dataplane.upstream import EndpointPool, Upstream
from minimesh.model import snapshot
from minimesh.model.address import Address, Dialable
from minimesh.model.egress import Target
from minimesh.model.reason import EGRESS_REFUSED, HOST_NOT_FOUND
from minimesh.policy.egress import IpAddress, literal


class Allows(Protocol):
    """Who decides for the caller."""

    def refusal(self, target: Target, address: IpAddress) -> str:
        """Why a connection to this address, which the target has, may not be; "": it may."""
        ...


class OutsidePool(EndpointPool):
    """Of one host and port, for one caller."""

    def __init__(self, spec: snapshot.Endpoint, upstream: Upstream, resolver: Resolver, allows: Allows) -> None:
        super().__init__(spec, upstream)
        # To a stranger HTTP/2 is spoken where TLS has agreed on it, and there the mesh does not look.
        self.multiplexes = False
        (address,) = spec.addresses
        assert isinstance(address, Address)
        self._target = Target(address.host, address.port)
        self._resolver = resolver
        self._allows = allows

    async def _found(self) -> Sequence[Dialable]:
        target = self._target
        try:
            hosts = [target.host] if literal(target.host) else await self._resolver.addresses(target.host)
        except NotFoundError as error:
            raise DialError(HOST_NOT_FOUND, f"{target.host}: {error}") from error
        refused = [self._allows.refusal(target, ip_address(host)) for host in hosts]
        allowed = [Address(host, target.port) for host, why in zip(hosts, refused, strict=True) if not why]
        if not allowed:
            raise DialError(EGRESS_REFUSED, refused[0])
        return allowed

    def answered_at(self, address: Dialable) -> None:
        """The next one looks again: what a name stands for changes."""


class TunnelPool(OutsidePool):
    """Each connection is one caller's own."""

    def _client(self) -> ClientConnection:
        return RawConnection(self)
