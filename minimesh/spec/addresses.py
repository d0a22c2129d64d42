"""Kinds of values that say where something listens or is reached."""

import ipaddress
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

from minimesh.model.address import Address, Dialable, UnixAddress
from minimesh.spec import codes
from minimesh.spec.kinds import Parsed, quote
from minimesh.spec.node import Node
from minimesh.spec.schema import Kind
from minimesh.spec.text_error import TextError

LOWEST_PORT, HIGHEST_PORT = 1, 65535
DEFAULT_PORTS = {"http": 80, "https": 443}

HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s/@?#]+)(?::(\d{1,5}))?", re.ASCII)
_LABELS = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)

UNIX = "unix:"
LONGEST_PATH = 107 if sys.platform == "linux" else 103
"""Bytes of `sun_path` (unix(7)), without the NUL that ends it."""

# How others begin the address of a socket file: Docker and gRPC, nginx, requests, Caddy.
_LIKE_UNIX = re.compile(r"unix(?:\+h2c)?[:/]+|https?(?:://|\+)unix:/+", re.ASCII | re.IGNORECASE)
_NAMED = ("/", "./", "../", "~/")


def address(text: str) -> Dialable:
    """The address in "host:port", "http://host:port" (port 80 if left out there), "https://host:port" (443) or
    "unix:PATH", as written."""
    if text.startswith(UNIX) and not text.startswith("unix://"):
        return UnixAddress(_socket_path(text))
    if meant := _socket_meant(text):
        message = f"{quote(text)} is not an address; did you mean {quote(meant)}?"
        raise TextError(codes.VALUE, message, fix=quote(meant))
    scheme, separator, rest = text.partition("://")
    if scheme not in DEFAULT_PORTS or not separator:
        return host_and_port(text)
    rest = rest.removesuffix("/")
    if "/" in rest:
        fix = quote(f"{scheme}://{rest.partition('/')[0]}")
        message = f"the address {quote(text)} has a path; expected host and port: a path is what callers ask for"
        raise TextError(codes.VALUE, message, fix=fix)
    return replace(host_and_port(rest, DEFAULT_PORTS[scheme]), tls=scheme == "https")


def _socket_path(text: str) -> str:
    path = text.removeprefix(UNIX)
    if not path or path.endswith("/"):
        message = f"the address {quote(text)} does not name the file of a socket"
        raise TextError(codes.VALUE, message, fix=quote(f"{UNIX}{path or '/run/'}pay.sock"))
    if path.startswith("~/"):
        message = f'"~" has no meaning in the address {quote(text)}'
        raise TextError(codes.VALUE, message, fix=quote(f"{UNIX}${{HOME}}{path[1:]}"))
    if path.startswith("@"):
        message = f"the address {quote(text)} names an abstract socket; expected one that has a file"
        raise TextError(codes.VALUE, message, fix=quote(f"{UNIX}/run/{path[1:] or 'pay'}.sock"))
    return path


def _socket_meant(text: str) -> str:
    """The address of a socket file that is written as others do, or as its path alone; else ""."""
    if begun := _LIKE_UNIX.match(text):
        return UNIX + ("/" if begun[0].endswith("/") else "") + text[begun.end() :]
    if text.startswith(_NAMED) or (text.endswith(".sock") and "://" not in text):
        return UNIX + text.replace("~", "${HOME}", 1) if text.startswith("~") else UNIX + text
    return ""


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


class Place(Parsed[Dialable]):
    """An address; the path of a socket file counts from the folder of the file."""

    def read(self, node: Node) -> Dialable:
        found = super().read(node)
        if not isinstance(found, UnixAddress):
            return found
        path = os.path.normpath((node.folder / found.path).absolute())
        if (length := len(os.fsencode(path))) > LONGEST_PATH:
            message = f"the path of {node.label} has {length} bytes; a socket's has at most {LONGEST_PATH}: {path}"
            node.reject(codes.VALUE, message, node.pair(quote(f"{UNIX}/run/{Path(path).name[-20:]}")))
        return UnixAddress(path)


ADDRESS = Place("an address", '"127.0.0.1:9000"', address)


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
