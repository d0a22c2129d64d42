"""Names of services that live elsewhere: looked up again, and kept when the look-up fails."""

import asyncio
from collections.abc import Sequence

from minimesh.control.names import Names, is_literal
from minimesh.model.address import Address

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


def test_with_literals_alone_there_is_nothing_to_keep_fresh() -> None:
    asyncio.run(asyncio.wait_for(Names({"pay": (LITERAL,)}, lambda _: None).keep_fresh(), 5))


def test_literals() -> None:
    assert [is_literal(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0")] == [True, True, False, False]
