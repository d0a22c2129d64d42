"""Kinds of values that are addresses of machines, or blocks of them."""

from ipaddress import ip_network

from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.text_error import TextError


def network(text: str) -> str:
    """A CIDR block: "10.0.0.0/8"; an address alone is a block of one."""
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        fix = quote(str(ip_network(text, strict=False)))
    except ValueError:
        message = f'{quote(text)} is not an address or a block of them; expected "10.0.0.0/8", "127.0.0.1" or "::1"'
        raise TextError(codes.VALUE, message, fix='"10.0.0.0/8"') from None
    raise TextError(codes.VALUE, f"{quote(text)} is one address of a block; the block is {fix}", fix=fix)


NETWORK = Parsed("an address or a CIDR block", '"10.0.0.0/8"', network)
