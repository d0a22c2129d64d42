"""Settings of TLS that are the same wherever it is spoken."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# TLS 1.2 only with forward secrecy and AEAD (RFC 9325, section 4.2); all of TLS 1.3 is like that.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Session(ssl.SSLObject):
    """`asked_name`: the server that a client asked for, where the context chooses by it."""

    asked_name: str | None = None


def context_for(purpose: ssl.Purpose, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Of a server (CLIENT_AUTH) or of a client (SERVER_AUTH): TLS 1.2 and 1.3, nothing that is known to be weak, and
    nobody trusted yet."""
    server = purpose is ssl.Purpose.CLIENT_AUTH
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if server:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.sslobject_class = Session
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def choose_by_name(context: ssl.SSLContext, find: Callable[[str], ssl.SSLContext | None]) -> None:
    """Of a server that is several: the context of the name that a client asks for. `find` gets it in lower case, "" for
    none; None refuses the client with unrecognized_name (RFC 6066, section 3)."""

    def choose(session: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        asked = (name or "").lower()
        found = find(asked)
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if isinstance(session, Session):
            session.asked_name = asked
        session.context = found
        return None

    context.sni_callback = choose


def load_pair(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    """A certificate with what it hangs on, and its key, both PEM. Raises ssl.SSLError.

    Python takes them from files alone: this is one of memory, which never gets a name in a folder."""
    with _in_memory(chain + b"\n" + key) as path:
        context.load_cert_chain(path)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Only Linux has files of memory; elsewhere it is one for ourselves alone (0600), gone at once."""
    if hasattr(os, "memfd_create"):
        descriptor, name = os.memfd_create("minimesh", os.MFD_CLOEXEC), ""
    else:
        descriptor, name = tempfile.mkstemp()
    try:
        os.write(descriptor, content)
        yield name or f"/dev/fd/{descriptor}"
    finally:
        os.close(descriptor)
        if name:
            Path(name).unlink()
