"""A service with so many workers of so many seconds a request (WORKERS, SECONDS): it serves in order all that it gets,
also what nobody waits for any more. SECONDS=0: it answers at once. For HTTP/1 requests without a body."""

import asyncio
import heapq
import os
from typing import cast

import uvloop

WORKERS = int(os.environ.get("WORKERS", "8"))
SECONDS = float(os.environ.get("SECONDS", "0.01"))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Worked(asyncio.Protocol):
    free_at = [0.0] * WORKERS
    """When each worker is through with what was given to it: exact, whatever the timers of the loop are worth."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            if not SECONDS:
                self.transport.write(ANSWER)
                continue
            loop = asyncio.get_running_loop()
            ends = max(loop.time(), self.free_at[0]) + SECONDS
            heapq.heapreplace(self.free_at, ends)
            loop.call_at(ends, self.transport.write, ANSWER)


async def main() -> None:
    port = int(os.environ["PORT"])
    server = await asyncio.get_running_loop().create_server(Worked, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


uvloop.run(main())
