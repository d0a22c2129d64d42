"""Names of services that live elsewhere: looked up again, and kept when the look-up fails."""

import asyncio
from collections.abc import Sequence

from minimesh.control.names import Names, is_literal
from minimesh.model.address import Address, UnixAddress

NAMED = Address("pay.test", 80)
LITERAL = Address("10.0.0.9", 80)


class Resolver:
    def __init__(self) -> None:
        self.answer: Sequence[str] | OSError = ("10.0.0.1", "10.0.0.2")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("pay.test", 80)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def test_all_addresses_are_endpoints_and_literals_need_no_look_up() -> None:
    names = Names({"pay": (NAMED, LITERAL)}, lambda _: None, Resolver())
    assert names.of("pay") == (LITERAL,)
    asyncio.run(names.refresh())
    assert names.of("pay") == (Address("10.0.0.1", 80), Address("10.0.0.2", 80), LITERAL)


def test_a_socket_file_needs_no_look_up_either() -> None:
    file = UnixAddress("/run/pay.sock")
    changed: list[str] = []
    names = Names({"pay": (file, NAMED)}, changed.append, Resolver())
    assert names.of("pay") == (file,)
    asyncio.run(names.refresh())
    assert names.of("pay") == (file, Address("10.0.0.1", 80), Address("10.0.0.2", 80))
    assert changed == ["pay"]


def test_a_failure_keeps_the_old_set() -> None:
    resolver = Resolver()
    changed: list[str] = []
    names = Names({"pay": (NAMED,)}, changed.append, resolver)
    for answer in (("10.0.0.1",), OSError("no such host"), (), ("10.0.0.1",), ("10.0.0.3",)):
        resolver.answer = answer
        asyncio.run(names.refresh())
        assert names.of("pay")
    assert names.of("pay") == (Address("10.0.0.3", 80),)
    assert changed == ["pay", "pay"]


def test_other_services_are_looked_up_at_once_and_what_is_known_stays() -> None:
    resolver = Resolver()
    changed: list[str] = []

    async def scenario() -> None:
        seen = asyncio.Event()

        def on_change(name: str) -> None:
            changed.append(name)
            seen.set()

        names = Names({"elsewhere": (LITERAL,)}, on_change, resolver)
        keeping = asyncio.ensure_future(names.keep_fresh())
        await asyncio.sleep(0)
        names.take({"pay": (NAMED,)})
        await asyncio.wait_for(seen.wait(), 5)
        assert names.of("pay") == (Address("10.0.0.1", 80), Address("10.0.0.2", 80))
        names.take({"pay": (NAMED, LITERAL)})
        assert LITERAL in names.of("pay")
        assert len(names.of("pay")) == 3
        keeping.cancel()

    asyncio.run(scenario())
    assert changed == ["pay"]


def test_literals() -> None:
    assert [is_literal(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0")] == [True, True, False, False]
