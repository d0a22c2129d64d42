"""Code of a base class, once for each class that runs it.

CPython (since 3.11, PEP 659) makes an attribute access quick where it always meets the same class, and remembers that
in the code itself. What callers' and endpoints' connections share meets both in turn, so it would stay slow. With a
copy of its own each role is met alone: measured, a request costs a tenth less.
"""

from types import FunctionType
from typing import TypeVar

C = TypeVar("C", bound=type)


def apart(cls: C) -> C:
    """Give the class copies of the methods that it has from its bases in this package."""
    package = __name__.rpartition(".")[0]
    for base in cls.__mro__[1:]:
        if not base.__module__.startswith(package):
            continue
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and name not in vars(cls):
                copy = FunctionType(
                    value.__code__.replace(), value.__globals__, name, value.__defaults__, value.__closure__
                )
                copy.__kwdefaults__ = value.__kwdefaults__
                copy.__doc__ = value.__doc__
                copy.__qualname__ = value.__qualname__
                copy.__module__ = value.__module__
                copy.__annotations__ = value.__annotations__
                setattr(cls, name, copy)
    return cls
