"""The client of every command: what it makes of a mesh that ends in the midst of an answer."""

import socket
import threading
from pathlib import Path

from minimesh.control.client import Client

HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


def test_a_line_that_is_cut_ends_a_stream(tmp_path: Path) -> None:
    (tmp_path / ".minimesh").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".minimesh/control.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(HEAD + b'{"line": 1}\n{"li')

        mesh = threading.Thread(target=answer)
        mesh.start()
        assert [*Client(tmp_path).stream("/v1/logs")] == [{"line": 1}]
        mesh.join()
