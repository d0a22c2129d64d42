"""Where a request to a forward proxy wants to go, read by the letter.

What others would read in another way is refused: an address as a number (http://2130706433/), in octal or hexadecimal,
short, or with a zone. A name that is passed on must be one, for it is looked up and written into certificates.
"""

import re
import socket
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from minimesh.model.egress import Target

HTTP_PORT = 80

_AUTHORITY = re.compile(rb"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# WHATWG URL, section 3.5: what ends in a number is an address of IPv4 to many, however it is written.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME = 253


class TargetError(Exception):
    """The text says what is wrong."""


def read_target(authority: bytes, default_port: int | None) -> Target:
    """Of an authority in lower case. default_port None: it has to have one. Raises TargetError."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise TargetError("it is not a host and a port")
    port = int(found["port"]) if found["port"] else default_port
    if port is None:
        raise TargetError("it has no port")
    if not 0 < port < 65536:
        raise TargetError(f"port {port} does not exist")
    six = found["six"]
    return Target(_address_of_six(six.decode()) if six else _host(found["host"].decode()), port)


def _address_of_six(text: str) -> str:
    """As RFC 5952 writes it, whatever the version of Python does."""
    try:
        return socket.inet_ntop(socket.AF_INET6, IPv6Address(text).packed)
    except AddressValueError:
        raise TargetError(f"[{text}] is not an address") from None


def _host(text: str) -> str:
    text = text.removesuffix(".")
    labels = text.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(text))
        except AddressValueError:
            raise TargetError(f"{text} is not an address in its usual form, four numbers from 0 to 255") from None
    if len(text) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetError(f"{text[:80]} is not the name of a host")
    return text
