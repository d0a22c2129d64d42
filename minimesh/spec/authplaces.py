"""Where a provider of [auth.*] looks: keys of issuers, programs that decide, files of passwords."""

import errno
import ipaddress
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from minimesh.spec import codes
from minimesh.spec.files import read_plain_file
from minimesh.spec.kinds import quote
from minimesh.spec.many import read_all
from minimesh.spec.node import Node, Role
from minimesh.spec.schema import Kind
from minimesh.spec.source import path_from
from minimesh.spec.suggest import closest

LARGEST = 1 << 20
_URL = re.compile(r"https?://", re.IGNORECASE)
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_LOCAL = ("localhost",)


class JwksPlace(Kind[Path | str]):
    """A file with public keys, or an URL where they are."""

    noun = "the path of a file or an URL"
    example = '"jwks.json"'

    def read(self, node: Node) -> Path | str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if _URL.match(text):
            return _url(node, text, secure=True)
        path = node.folder / text
        try:
            keys = json.loads(content(node, path))
        except (ValueError, RecursionError):
            keys = None
        if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
            message = f'{node.label}: {quote(text)} is no set of keys (JWKS): a JSON object with a list "keys"'
            node.reject(codes.VALUE, message, node.pair(self.example))
        return path


class DecidesUrl(Kind[str]):
    """The URL of a program that is asked about each request."""

    noun = "an URL"
    example = '"http://127.0.0.1:4180/verify"'

    def read(self, node: Node) -> str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        return _url(node, node.text(), secure=False)


class UsersPlace(Kind[Path | Mapping[str, str]]):
    """A file of names and hashes, or a table of them."""

    noun = "the path of a file or a table"
    example = '"users.htpasswd"'

    def read(self, node: Node) -> Path | Mapping[str, str]:
        if node.is_table:
            return dict(zip(node.children, read_all([*node.children.values()], _hash), strict=True))
        if not isinstance(node.value, str):
            self.wrong_type(node)
        path = node.folder / node.text()
        content(node, path)
        return path


def _hash(node: Node) -> str:
    if not isinstance(node.value, str) or not _BCRYPT.fullmatch(node.text()):
        message = f"{node.label} is no hash of bcrypt ($2y$…); others are too quick to guess"
        node.reject(codes.VALUE, message, f"htpasswd -nB {shlex.quote(node.name)}")
    return node.text()


def content(node: Node, path: Path) -> bytes:
    try:
        return read_plain_file(path, LARGEST)
    except OSError as error:
        near = closest(path.name, _names_in(path.parent)) if error.errno == errno.ENOENT else None
        hint = f"; did you mean `{near}`?" if near else ""
        fix = node.pair(quote(str(Path(str(node.value)).with_name(near)))) if near else ""
        why = "is not there" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror or error}"
        message = f"{node.label}: {quote(path_from(node.folder, path))} {why}{hint}"
        node.reject(codes.NO_FILE, message, fix)


def _names_in(path: Path) -> list[str]:
    try:
        return [at.name for at in path.iterdir()]
    except OSError:
        return []


def _url(node: Node, text: str, *, secure: bool) -> str:
    """secure: what comes from there is believed, so it comes over TLS, from this machine or through the mesh."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.fragment or " " in text:
        node.reject(codes.VALUE, f"{node.label}: {quote(text)} is no URL to ask", node.pair(example(secure)))
    role = node.reading.roles.get(host)
    if role in (Role.TASK, Role.WORKER):
        node.reject(codes.CONFLICT, f"{node.label}: `{host}` takes no calls", node.pair(example(secure)))
    if role is not None or (parts.scheme == "http" and _is_here(host)) or (secure and parts.scheme == "https"):
        return text
    if secure:
        message = f"{node.label}: keys that come over http:// from another machine could be anybody's"
        node.reject(codes.VALUE, message, node.pair(quote(text.replace("http://", "https://", 1))))
    what = "a program on this machine without TLS" if _is_here(host) else "a program on this machine"
    message = f"{node.label}: `{host}` is neither a service of this file nor {what}"
    return node.reject(codes.UNKNOWN_NAME, message, 'define [services.sso] with address = "…", and ask http://sso/')


def example(secure: bool) -> str:
    return '"https://id.example.test/.well-known/jwks.json"' if secure else DecidesUrl.example


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_here(host: str) -> bool:
    return host in _LOCAL or (_is_literal(host) and ipaddress.ip_address(host).is_loopback)
