"""Kinds of values that say where something listens or is reached."""

import ipaddress
import re

from minimesh.model.address import Address
from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.node import Node
from minimesh.spec.schema import Kind
from minimesh.spec.text_error import TextError

LOWEST_PORT, HIGHEST_PORT = 1, 65535

HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s/@?#]+)(?::(\d{1,5}))?", re.ASCII)
_LABELS = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_NOT_BUILT = {"https://": "http://", "unix:": "127.0.0.1:9000"}


def address(text: str) -> Address:
    """The address in "host:port" or "http://host:port" (port 80 if left out there)."""
    for scheme, instead in _NOT_BUILT.items():
        if text.startswith(scheme):
            message = f"addresses with {scheme} are part of minimesh.toml but not built yet"
            fix = text.replace(scheme, instead) if instead.endswith("//") else instead
            raise TextError(codes.NOT_BUILT, message, fix=quote(fix))
    if not text.startswith("http://"):
        return host_and_port(text)
    rest = text.removeprefix("http://").removesuffix("/")
    if "/" in rest:
        fix = quote("http://" + rest.partition("/")[0])
        raise TextError(codes.VALUE, f"the address {quote(text)} has a path; expected host and port", fix=fix)
    return host_and_port(rest, default_port=80)


def host_and_port(text: str, default_port: int | None = None) -> Address:
    """The address in "host:port", "[::1]:port"."""
    match = HOST_AND_PORT.fullmatch(text)
    if match is None or not _is_host(match[1]):
        fix = quote(f"127.0.0.1:{text.lstrip(':')}") if text.lstrip(":").isdecimal() else None
        raise TextError(codes.VALUE, f"{quote(text)} is not an address; expected host:port", fix=fix)
    port = int(match[2]) if match[2] else default_port
    if port is None:
        raise TextError(codes.VALUE, f"the address {quote(text)} has no port", fix=quote(f"{match[1]}:80"))
    if not LOWEST_PORT <= port <= HIGHEST_PORT:
        message = f"port {port} in {quote(text)} does not exist; expected {LOWEST_PORT} to {HIGHEST_PORT}"
        raise TextError(codes.VALUE, message, fix=quote(f"{match[1]}:80"))
    return Address(match[1].strip("[]"), port)


def _is_host(text: str) -> bool:
    if text.startswith("[") or re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.ip_address(text.strip("[]"))
        except ValueError:
            return False
        return True
    return len(text) <= 253 and _LABELS.fullmatch(text) is not None


ADDRESS = Parsed("an address", '"127.0.0.1:9000"', address)


class Port(Kind[int]):
    """A port, as a number."""

    noun = "a port number"
    example = "3000"

    def read(self, node: Node) -> int:
        if isinstance(node.value, str) and node.value.isdecimal():
            message = f"{node.label} must be {self.noun}, not {node.type_name}"
            node.reject(codes.TYPE, message, node.pair(node.value.lstrip("0") or self.example))
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            self.wrong_type(node)
        if not LOWEST_PORT <= node.value <= HIGHEST_PORT:
            message = f"{node.label} is {node.value}; expected {LOWEST_PORT} to {HIGHEST_PORT}"
            node.reject(codes.VALUE, message, node.pair(self.example))
        return node.value


class PortOrNone(Port):
    """A port, or "none" for a program that does not listen; that reads as 0."""

    noun = 'a port number or "none"'

    def read(self, node: Node) -> int:
        return 0 if node.value == "none" else super().read(node)


class Listen(Kind[Address]):
    """A port on 127.0.0.1, or "host:port"."""

    noun = 'a port number or "host:port"'
    example = "7080"

    def read(self, node: Node) -> Address:
        if isinstance(node.value, str):
            try:
                return host_and_port(node.text())
            except TextError as error:
                node.reject(error.code, error.message, node.pair(error.fix or self.example))
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            self.wrong_type(node)
        return Address("127.0.0.1", Port().read(node))
