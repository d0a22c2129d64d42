"""An SVID, the certificate of a service with its key; and what is kept of one that a peer has shown."""

from dataclasses import dataclass, field

from minimesh.model.identity import Identity


@dataclass(frozen=True, slots=True)
class Peer:
    """Who proved what at the other end of a connection. Times in seconds since 1970.

    issuer: key id of what signed the certificate. generation: of the trust by which it was proved.
    """

    identity: Identity
    serial: int
    not_after: float
    issuer: bytes
    not_before: float = 0.0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Svid:
    """What a service proves itself with (X509-SVID). Times in seconds since 1970.

    chain: PEM, leaf first, up to but without the root. key: PEM (PKCS #8), in memory alone.
    issuer: key id of what signed it.
    """

    identity: Identity
    serial: int
    not_before: float
    not_after: float
    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    issuer: bytes

    @property
    def peer(self) -> Peer:
        """What a peer would keep of it."""
        return Peer(self.identity, self.serial, self.not_after, self.issuer, self.not_before)
