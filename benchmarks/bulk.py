"""A service with large bodies: GET /bulk gives so many zeros, POST takes whatever comes and says how much it was.

Any other GET has an empty answer: it is there.

python benchmarks/bulk.py PORT BYTES
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 18


class Bulk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    size = 0
    zeros = bytes(PIECE)

    def do_GET(self) -> None:
        left = self.size if self.path == "/bulk" else 0
        self.answer(left)
        while left:
            self.wfile.write(self.zeros[: min(left, PIECE)])
            left -= min(left, PIECE)

    def do_POST(self) -> None:
        buffer = memoryview(bytearray(PIECE))
        left = length = int(self.headers["content-length"])
        while left:
            read = self.rfile.readinto1(buffer[: min(left, PIECE)])
            if not read:
                raise ConnectionResetError(f"the body ended {left} bytes early")
            left -= read
        text = f"{length}\n".encode()
        self.answer(len(text))
        self.wfile.write(text)

    def answer(self, length: int) -> None:
        self.send_response(200)
        self.send_header("content-length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: stderr is for what went wrong."""


def main() -> None:
    Bulk.size = int(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bulk).serve_forever()


if __name__ == "__main__":
    main()
