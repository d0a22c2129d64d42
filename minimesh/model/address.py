"""Where something listens or is dialled."""

from dataclasses import dataclass

LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A TCP host and port. The host is a literal or, for services that live elsewhere, a name. tls: it speaks TLS."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as the base of a URL, without a closing slash."""
        return f"{'https' if self.tls else 'http'}://{self}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The file of a Unix-domain socket, by its absolute path."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Dialable = Address | UnixAddress


def loopback(port: int) -> tuple[Address, ...]:
    """Both loopback addresses of a port; programs bind either, so both are tried when dialling."""
    return tuple(Address(host, port) for host in LOOPBACK)
