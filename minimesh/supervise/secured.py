"""What a probe of HTTP does where TLS comes first."""

import asyncio
import socket
import ssl
from functools import lru_cache

from minimesh.model.egress import Origination
from minimesh.supervise.dial import DialError, request, status_in


@lru_cache(maxsize=16)
def _context(roots: str) -> ssl.SSLContext:
    """Reads what the system trusts, which takes a while."""
    return ssl.create_default_context(cadata=roots or None)


async def get_status(sock: socket.socket, path: str, host: str, tls: Origination) -> int | None:
    """As the one of `dial`. Raises DialError where there is no handshake, and OSError."""
    context = await asyncio.get_running_loop().run_in_executor(None, _context, tls.roots)
    name = tls.name or host
    try:
        reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise DialError(f"TLS with {name}: its certificate is not accepted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise DialError(f"TLS with {name}: {(error.reason or str(error)).lower().replace('_', ' ')}") from error
    try:
        writer.write(request(path, name))
        return status_in(await reader.read(4096))
    finally:
        writer.transport.abort()
