"""Counts words. The smallest service there can be: http.server, and nothing of the mesh in it."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Words(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive
    wbufsize = -1  # head and body leave in one packet

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path != "/words":
            self.send(404, {"error": "only /words is known here"})
            return
        words = parse_qs(url.query).get("text", [""])[0].split()
        self.send(200, {"count": len(words), "longest": max(words, key=len, default="")})

    def send(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Words) as server:
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
