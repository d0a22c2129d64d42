"""Addresses of services that live elsewhere: names looked up off the loop, again every 30 seconds."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio

from minimesh.model.address import Address

EVERY = 30.0

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → literal addresses. Raises OSError."""


def is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def look_up(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, as the system's resolver orders them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """Keeps the literal addresses of each service; what cannot be looked up keeps its old ones."""

    def __init__(
        self,
        services: Mapping[str, Sequence[Address]],
        on_change: Callable[[str], None],
        resolve: LookUp = look_up,
    ) -> None:
        self._services = services
        self._on_change = on_change
        self._resolve = resolve
        self._known: dict[Address, tuple[Address, ...]] = {
            address: (address,) for addresses in services.values() for address in addresses if is_literal(address.host)
        }

    def of(self, service: str) -> tuple[Address, ...]:
        """Literal addresses, each once; none before the first answer."""
        found = [literal for address in self._services[service] for literal in self._known.get(address, ())]
        return tuple(dict.fromkeys(found))

    async def keep_fresh(self) -> None:
        """Never returns, unless there is no name among the addresses."""
        if all(is_literal(address.host) for addresses in self._services.values() for address in addresses):
            return
        while True:
            await self.refresh()
            await anyio.sleep(EVERY)

    async def refresh(self) -> None:
        for service, addresses in self._services.items():
            before = self.of(service)
            for address in addresses:
                if not is_literal(address.host):
                    await self._refresh(address)
            if self.of(service) != before:
                self._on_change(service)

    async def _refresh(self, address: Address) -> None:
        try:
            hosts = await self._resolve(address.host, address.port)
        except (OSError, UnicodeError):
            return
        if hosts:
            self._known[address] = tuple(Address(host, address.port) for host in hosts)
