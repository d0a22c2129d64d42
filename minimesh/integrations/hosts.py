"""Addresses in the environment that only a compose network knows, as ones that work here.

An HTTP address becomes the mesh's own (`${api.url}`): so the call is seen and its policies hold. Anything else goes
straight to the port on this machine, because the mesh carries HTTP.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from minimesh.integrations.images import SCHEMES

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>(?:\$\{[^}]*\}|[^\s/@,])*@)?(?P<host>[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?(?=[/?#,\s]|$)"
)
_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9_.-]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Peer:
    """A service as others reach it. name: in minimesh.toml. direct: by port of its container, `host:port` here.

    main: the port that the mesh leads to; None: no call through the mesh. http: it is known to speak that.
    """

    name: str
    direct: Mapping[int, str] = field(default_factory=dict)
    main: int | None = None
    http: bool = False


@dataclass(slots=True)
class Hosts:
    """Rewrites the environment of one service. called: whom it turned out to call through the mesh."""

    own: str
    peers: Mapping[str, Peer]
    tell: Callable[[str], None]
    called: list[str] = field(default_factory=list)

    def rewritten(self, env: Mapping[str, str]) -> dict[str, str]:
        found = {key: self._value(key, value) for key, value in env.items()}
        for key, value in env.items():
            if value in self.peers and re.search(r"HOST(?:NAME)?$|_SERVER$|_ADDR$", key):
                self._host(key, self.peers[value], env, found)
        return found

    def _value(self, key: str, value: str) -> str:
        pieces = value.split(",")
        if all(_HOST_PORT.fullmatch(piece) for piece in pieces):
            return ",".join(_HOST_PORT.sub(lambda match: self._bare(key, match), piece) for piece in pieces)
        return _URL.sub(lambda match: self._url(key, match), value)

    def _url(self, key: str, url: re.Match[str]) -> str:
        peer = self.peers.get(url["host"])
        if peer is None:
            return url[0]
        scheme, user = url["scheme"], url["user"] or ""
        port = int(url["port"] or SCHEMES.get(scheme.partition("+")[0], 0))
        if scheme in ("http", "ws") and port == peer.main:
            name = self._call(peer)
            return f"${{{name}.url}}" if scheme == "http" and not user else f"{scheme}://{user}${{{name}.address}}"
        if port in peer.direct:
            return f"{scheme}://{user}{peer.direct[port]}"
        self._unknown(key, url["host"])
        return url[0]

    def _bare(self, key: str, address: re.Match[str]) -> str:
        peer = self.peers.get(address["host"])
        if peer is None:
            return address[0]
        port = int(address["port"])
        if peer.http and port == peer.main:
            return f"${{{self._call(peer)}.address}}"
        if port in peer.direct:
            return peer.direct[port]
        self._unknown(key, address["host"])
        return address[0]

    def _call(self, peer: Peer) -> str:
        """What the service is called in a reference."""
        if peer.name == self.own:
            return "self"
        self.called.append(peer.name)
        return peer.name

    def _host(self, key: str, peer: Peer, env: Mapping[str, str], found: dict[str, str]) -> None:
        """A host alone: replaced where its port stands beside it, or is the same here as there."""
        beside = re.sub(r"(?:HOST(?:NAME)?|SERVER|ADDR)$", "PORT", key)
        port = int(env[beside]) if env.get(beside, "").isdecimal() else 0
        if port in peer.direct:
            host, _, rest = peer.direct[port].rpartition("]")  # of an IPv6 address
            found[key], found[beside] = (f"{host}]", rest[1:]) if host else _halves(rest)
        elif beside not in env and any(direct == f"127.0.0.1:{inside}" for inside, direct in peer.direct.items()):
            found[key] = "127.0.0.1"
        else:
            self._unknown(key, env[key])

    def _unknown(self, key: str, host: str) -> None:
        self.tell(f"env {key} names `{host}`, known inside compose only: write an address that works here")


def _halves(address: str) -> tuple[str, str]:
    host, _, port = address.partition(":")
    return host, port
