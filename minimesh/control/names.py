"""Addresses of services that live elsewhere: names looked up off the loop, again every 30 seconds."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import anyio

from minimesh.model.address import Address, Dialable

EVERY = 30.0

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → literal addresses. Raises OSError."""


def is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_settled(address: Dialable) -> bool:
    """It can be dialled as it is: nothing about it is a name that stands for something else."""
    return not isinstance(address, Address) or is_literal(address.host)


def is_loopback(host: str) -> bool:
    return is_literal(host) and ipaddress.ip_address(host).is_loopback


async def look_up(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, as the system's resolver orders them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """Keeps the literal addresses of each service; what cannot be looked up keeps its old ones."""

    def __init__(
        self,
        services: Mapping[str, Sequence[Dialable]],
        on_change: Callable[[str], None],
        resolve: LookUp = look_up,
    ) -> None:
        self._services: Mapping[str, Sequence[Dialable]] = {}
        self._on_change = on_change
        self._resolve = resolve
        self._known: dict[Dialable, tuple[Dialable, ...]] = {}
        self._news = asyncio.Event()
        self.take(services)

    def take(self, services: Mapping[str, Sequence[Dialable]]) -> None:
        """These services from now on; names among their addresses that are new are looked up at once."""
        addresses = {address for each in services.values() for address in each}
        if any(address not in self._known and not is_settled(address) for address in addresses):
            self._news.set()
        self._services = services
        self._known = {
            address: (address,) if is_settled(address) else self._known.get(address, ()) for address in addresses
        }

    def of(self, service: str) -> tuple[Dialable, ...]:
        """Literal addresses, each once; none before the first answer."""
        return self.literal(self._services[service])

    def literal(self, addresses: Sequence[Dialable]) -> tuple[Dialable, ...]:
        """What these are, as far as it is known, each once; also of services that are not taken yet."""
        found: list[Dialable] = []
        for address in addresses:
            found += [address] if is_settled(address) else self._known.get(address, ())
        return tuple(dict.fromkeys(found))

    async def keep_fresh(self) -> None:
        """Never returns."""
        while True:
            self._news.clear()
            await self.refresh()
            with anyio.move_on_after(EVERY):
                await self._news.wait()

    async def refresh(self) -> None:
        for service, addresses in tuple(self._services.items()):
            if service not in self._services:
                continue
            before = self.of(service)
            for address in addresses:
                if isinstance(address, Address) and not is_literal(address.host):
                    await self._refresh(address)
            if service in self._services and self.of(service) != before:
                self._on_change(service)

    async def _refresh(self, address: Address) -> None:
        try:
            hosts = await self._resolve(address.host, address.port)
        except (OSError, UnicodeError):
            return
        if hosts and address in self._known:
            self._known[address] = tuple(replace(address, host=host) for host in hosts)
