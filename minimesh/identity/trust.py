"""What a running mesh believes: one object for its whole life, whose contents are swapped."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from minimesh.identity import spiffe, verify
from minimesh.identity.svid import Peer, Svid
from minimesh.identity.untrusted import Doubt, Untrusted
from minimesh.model.identity import Identity


@dataclass(frozen=True, slots=True)
class Contents:
    """All that counts at one time.

    roots: PEM of every authority at which a chain may end; while a root is being replaced, the old and the new one.
    issuers: key ids of the intermediates of ours under these roots. strangers: others may have signed a leaf, too (a
    root that is not this project's alone). revoked: serials of leaves. revoked_issuers: key ids of intermediates that
    count no more though their chain may still be whole. barred: services that prove nothing until somebody says so.
    """

    svids: Mapping[Identity, Svid] = field(default_factory=dict)
    roots: tuple[bytes, ...] = ()
    issuers: frozenset[bytes] = frozenset()
    revoked: frozenset[int] = frozenset()
    revoked_issuers: frozenset[bytes] = frozenset()
    strangers: bool = False
    barred: frozenset[Identity] = frozenset()


class Trust:
    """`generation` grows whenever a leaf, the bundle or what is revoked changes; `bundle` with the roots alone.

    A connection keeps its peer and the generation at which it was looked at last, and asks `standing` when that is
    another one or `not_after` has passed.
    """

    __slots__ = ("_contents", "_left", "bundle", "generation", "trust_domain")

    def __init__(self, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self.generation = 0
        self.bundle = 0
        self._left = 0  # the generation at which a root was dropped last
        self._contents = Contents()

    @property
    def contents(self) -> Contents:
        return self._contents

    def swap(self, contents: Contents) -> None:
        """From now on this counts, for open connections too."""
        before, self._contents = self._contents, contents
        self.generation += 1
        if before.roots != contents.roots:
            self.bundle += 1
        if set(before.roots) - set(contents.roots):
            self._left = self.generation

    @property
    def roots(self) -> tuple[bytes, ...]:
        """PEM of every authority that counts now."""
        return self._contents.roots

    def svid(self, identity: Identity) -> Svid:
        """The current one of a service of this mesh. Raises Untrusted (no_certificate, revoked)."""
        contents = self._contents
        if identity in contents.barred:
            raise _barred(identity)
        svid = contents.svids.get(identity)
        if svid is None:
            raise Untrusted(Doubt.NO_CERTIFICATE, f"{identity} has no certificate yet")
        return svid

    def verify(self, leaf: bytes, now: float) -> Peer:
        """Whom a leaf (DER) proves, whose chain TLS has verified. now: seconds since 1970. Raises Untrusted."""
        read = verify.read(leaf)
        spiffe_id = verify.spiffe_id_of(read)
        if spiffe_id.trust_domain != self.trust_domain:
            raise Untrusted(Doubt.FOREIGN_TRUST_DOMAIN, f"{spiffe_id} is not of the trust domain {self.trust_domain}")
        identity = spiffe.service_of(spiffe_id)
        if identity is None:
            raise Untrusted(Doubt.NOT_A_SERVICE, f"{spiffe_id} does not name a service (/svc/<name>)")
        certificate = read.certificate
        begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        peer = Peer(identity, certificate.serial_number, end, read.issuer, begin, self.generation)
        if doubt := self.standing(peer, now):
            raise doubt
        return peer

    def standing(self, peer: Peer, now: float) -> Untrusted | None:
        """Whether what was proved still counts; None: it does. A caller's own SVID is asked about as `svid.peer`."""
        if now < peer.not_before:
            return Untrusted(Doubt.NOT_YET_VALID, f"the certificate of {peer.identity} is not valid yet")
        if now > peer.not_after:
            return Untrusted(Doubt.EXPIRED, f"the certificate of {peer.identity} has expired")
        contents = self._contents
        if peer.identity in contents.barred:
            return _barred(peer.identity)
        if peer.serial in contents.revoked:
            return Untrusted(Doubt.REVOKED, f"the certificate of {peer.identity} is revoked")
        if peer.issuer in contents.revoked_issuers:
            return Untrusted(Doubt.REVOKED, f"what signed the certificate of {peer.identity} is revoked")
        if peer.issuer not in contents.issuers:
            if not contents.strangers:
                return Untrusted(
                    Doubt.FOREIGN_AUTHORITY, f"nobody knows what signed the certificate of {peer.identity}"
                )
            if peer.generation < self._left:
                return Untrusted(
                    Doubt.FOREIGN_AUTHORITY, f"the root above {peer.identity} may have gone: connect again"
                )
        return None


def _barred(identity: Identity) -> Untrusted:
    return Untrusted(Doubt.REVOKED, f"the certificates of {identity} are revoked")
