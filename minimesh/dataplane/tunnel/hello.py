"""The server name that a TLS client asks for, read off the first bytes that it sends. Nothing is decrypted.

TLS records are RFC 8446, section 5.1; the ClientHello is section 4.1.2; the name is RFC 6066, section 3. Read by the
letter: what is not exactly that is not TLS, since what is passed on by its name must not mean two things.
"""

LARGEST_HELLO = 16 * 1024
_RECORD_HEAD = 5
_LARGEST_RECORD = 16 * 1024
_MOST_RECORDS = 64
"""Each look at what has come begins anew, so what comes in crumbs must not cost more than what comes whole."""
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _HOST_NAME = 0, 0
_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-._")


class NotTlsError(Exception):
    """These bytes are not the beginning of TLS; the message says why."""


def server_name(data: bytes) -> bytes | None:
    """In lower case; b"" where the client names none; None while more bytes are needed to tell.

    Raises NotTlsError, also where a hello has more than LARGEST_HELLO bytes."""
    hello = _hello(data)
    if hello is not None:
        return _name(hello)
    if len(data) > LARGEST_HELLO:
        raise NotTlsError(f"the ClientHello is longer than {LARGEST_HELLO} bytes")
    return None


def _hello(data: bytes) -> bytes | None:
    """The body of the ClientHello, gathered out of as many records as it takes."""
    said = b""
    at = 0
    for _ in range(_MOST_RECORDS):
        if at >= len(data):
            return None
        if data[at] != _HANDSHAKE:
            raise NotTlsError(f"the first byte of a record is {data[at]:#04x}, of a handshake it is 0x16")
        if at + 1 < len(data) and data[at + 1] != 3:
            raise NotTlsError(f"the version of a record is {data[at + 1]}, of TLS it is 3")
        if len(data) < at + _RECORD_HEAD:
            return None
        size = int.from_bytes(data[at + 3 : at + 5])
        if not 0 < size <= _LARGEST_RECORD:
            raise NotTlsError(f"a record of the handshake has {size} bytes")
        said += data[at + _RECORD_HEAD : at + _RECORD_HEAD + size]
        at += _RECORD_HEAD + size
        if said and said[0] != _CLIENT_HELLO:
            raise NotTlsError(f"the handshake begins with message {said[0]}, not with a ClientHello")
        length = int.from_bytes(said[1:4])
        if len(said) >= 4:
            if length > LARGEST_HELLO:
                raise NotTlsError(f"the ClientHello is longer than {LARGEST_HELLO} bytes")
            if len(said) >= 4 + length:
                return said[4 : 4 + length]
    raise NotTlsError(f"the ClientHello is spread over more than {_MOST_RECORDS} records")


class _Reader:
    """Takes fields off the front; raises NotTlsError where one reaches beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise NotTlsError("a field of the ClientHello is cut off")
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """A field that begins with its length, which has `size` bytes."""
        return self.take(self.number(size))


def _name(hello: bytes) -> bytes:
    reader = _Reader(hello)
    reader.take(2 + 32)  # legacy_version, random
    if len(reader.vector(1)) > 32:
        raise NotTlsError("the session id is longer than 32 bytes")
    suites = reader.vector(2)
    if not suites or len(suites) % 2:
        raise NotTlsError("the cipher suites are no list of pairs of bytes")
    if not reader.vector(1):
        raise NotTlsError("there is no compression method")
    if not reader:
        return b""  # a client of TLS 1.2 may have no extensions at all
    extensions = _Reader(reader.vector(2))
    if reader:
        raise NotTlsError("there are bytes behind the extensions")
    name: bytes | None = None
    while extensions:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            if name is not None:
                raise NotTlsError("there are two server_name extensions")
            name = _host_name(body)
    return name or b""


def _host_name(body: bytes) -> bytes:
    """Of a ServerNameList, which may have but one name of a kind, and there is but one kind."""
    extension = _Reader(body)
    names = _Reader(extension.vector(2))
    kind, name = names.number(1), names.vector(2).lower()
    if extension or names or kind != _HOST_NAME:
        raise NotTlsError("the server_name is not one host name")
    if not name or len(name) > 255 or not _NAME_BYTES.issuperset(name):
        raise NotTlsError("the server_name is not a host name")
    return name
