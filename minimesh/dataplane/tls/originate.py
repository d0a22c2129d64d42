"""TLS towards a service that lives elsewhere: verified, by the name that it is asked as."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from minimesh.dataplane.connecting import DialError, connect
from minimesh.dataplane.tls.contexts import context_for
from minimesh.dataplane.tls.failure import TlsError, Why
from minimesh.dataplane.tls.transport import Around, TlsTransport
from minimesh.model.address import Address
from minimesh.model.egress import Origination
from minimesh.model.reason import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_UNTRUSTED,
    CERTIFICATE_WRONG_NAME,
    CONNECT_TIMEOUT,
    UPSTREAM_TLS,
)

P = TypeVar("P", bound=asyncio.BaseProtocol)

HTTP1, HTTP2 = "http/1.1", "h2"

_REASONS = {
    Why.FOREIGN_AUTHORITY: CERTIFICATE_UNTRUSTED,
    Why.BAD_CERTIFICATE: CERTIFICATE_UNTRUSTED,
    Why.REVOKED: CERTIFICATE_UNTRUSTED,
    Why.EXPIRED: CERTIFICATE_EXPIRED,
    Why.NOT_YET_VALID: CERTIFICATE_EXPIRED,
    Why.WRONG_NAME: CERTIFICATE_WRONG_NAME,
    Why.TIMED_OUT: CONNECT_TIMEOUT,
}


class OtherProtocol(DialError):  # noqa: N818 - it is what happened
    """The handshake is done, and did not agree on what was to be spoken."""


@lru_cache(maxsize=64)
def verifying(roots: str, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """roots: PEM of the authorities that count; "": those that the system trusts, whose reading takes a while."""
    context = context_for(ssl.Purpose.SERVER_AUTH, alpn)
    if roots:
        context.load_verify_locations(cadata=roots)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


async def originate(
    loop: asyncio.AbstractEventLoop,
    make: Callable[[], P],
    address: Address,
    tls: Origination,
    around: Around,
    *,
    alpn: tuple[str, ...],
    limit: float,
) -> P:
    """The protocol of a connection whose handshake is done. alpn: what is offered, first what `make` speaks.
    limit: seconds. Raises OSError, of which DialError and OtherProtocol."""
    name = tls.name or address.host
    context = await loop.run_in_executor(None, verifying, tls.roots, alpn)
    handshake: _Handshake[P] = _Handshake(loop, make, alpn)
    secured = TlsTransport(context, handshake, around, server_side=False, limit=limit, server_name=name)
    await connect(loop, lambda: secured, Address(address.host, address.port))
    try:
        return await handshake.made
    except TlsError as error:
        detail = f"TLS with {name} at {address}: {error.detail}"
        raise DialError(_REASONS.get(error.why, UPSTREAM_TLS), detail) from error
    except BaseException:
        secured.abort()
        raise


class _Handshake(Generic[P]):
    """`made`: what speaks on the connection, once the handshake is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Callable[[], P], alpn: tuple[str, ...]) -> None:
        self.made: asyncio.Future[P] = loop.create_future()
        self._make = make
        self._alpn = alpn

    def secured(self, tls: TlsTransport) -> asyncio.BaseProtocol:
        wanted = self._alpn[0]
        # Who knows no ALPN speaks HTTP/1.1 (RFC 9113, section 3.2).
        agreed = tls.alpn or HTTP1
        if agreed != wanted:
            error = OtherProtocol(UPSTREAM_TLS, f"TLS agreed on {agreed}, not on {wanted}")
            self._tell(error)
            raise TlsError(Why.NOTHING_IN_COMMON, error.detail)
        protocol = self._make()
        if not self.made.done():
            self.made.set_result(protocol)
        return protocol

    def not_secured(self, error: TlsError) -> None:
        self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self.made.done():
            self.made.set_exception(error)
