"""A client of raw sockets: one answer, or a large body with its bytes thrown away."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

PIECE = 1 << 18
ZEROS = bytes(PIECE)
TIMEOUT = 60.0


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), TIMEOUT)


def head(method: str, url: str, length: int = 0) -> bytes:
    parts = urlsplit(url)
    fields = f"host: {parts.netloc}\r\n" + (f"content-length: {length}\r\n" if method == "POST" else "")
    return f"{method} {parts.path or '/'} HTTP/1.1\r\n{fields}\r\n".encode()


def get(url: str) -> int:
    """The status of a GET, its body read; 0 if nothing answers."""
    try:
        with connect(url) as connection:
            return exchange(connection, url)
    except OSError:
        return 0


def exchange(connection: socket.socket, url: str) -> int:
    """A GET on an open connection, which stays open; its status."""
    connection.sendall(head("GET", url))
    status, _ = receive(connection)
    return status


def download(url: str) -> tuple[int, int]:
    """GET: (status, bytes of the body)."""
    with connect(url) as connection:
        connection.sendall(head("GET", url))
        return receive(connection)


def upload(url: str, size: int) -> tuple[int, int]:
    """POST of `size` zeros: (status, bytes sent)."""
    with connect(url) as connection:
        connection.sendall(head("POST", url, size))
        left = size
        while left:
            connection.sendall(ZEROS[: min(left, PIECE)])
            left -= min(left, PIECE)
        status, _ = receive(connection)
        return status, size


def receive(connection: socket.socket) -> tuple[int, int]:
    """An answer that has a Content-Length: (status, bytes of its body)."""
    start = bytearray()
    while b"\r\n\r\n" not in start:
        data = connection.recv(PIECE)
        if not data:
            raise ConnectionResetError("the connection ended before an answer")
        start += data
    top, _, body = bytes(start).partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in top.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    count = len(body)
    buffer = memoryview(bytearray(PIECE))
    while count < length:
        read = connection.recv_into(buffer)
        if not read:
            raise ConnectionResetError(f"the connection ended after {count} of {length} bytes")
        count += read
    return int(top.split(b" ", 2)[1]), count
