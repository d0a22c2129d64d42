"""Cases of HTTP/2: each for frames that come whole, and for frames that come byte by byte."""

from collections.abc import Callable, Iterable
from functools import partial
from types import FunctionType

from minimesh.dataplane.codec import Codec
from minimesh.testing.conformance.case import Case

Check = Callable[[Codec, int], None]


def cases_of(side: str, names: Iterable[object], module: str) -> tuple[Case, ...]:
    """Of the public functions of a module; they take a codec, and how many bytes are to come at once (0: all)."""
    checks = [each for each in names if isinstance(each, FunctionType) and each.__module__ == module]
    return tuple(
        Case(f"{side}: {check.__name__.replace('_', ' ')}{how}", partial(check, step=step))
        for check in checks
        if not check.__name__.startswith("_")
        for step, how in ((0, ""), (1, ", byte by byte"))
    )
