"""Whom listeners ask whose process has connected to them."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from minimesh.model.attest import Found, Question
from minimesh.model.caller import Attested


class Attestor(Protocol):
    def ask(self, question: Question, then: Callable[[Found], None]) -> None:
        """`then` is called on the loop, once, and not before this has returned; never where the mesh stops first."""
        ...


class Nobody:
    """Knows no one."""

    def ask(self, question: Question, then: Callable[[Found], None]) -> None:
        unknown = Found(Attested.UNKNOWN, why="a caller that nobody has looked at")
        asyncio.get_running_loop().call_soon(then, unknown)
