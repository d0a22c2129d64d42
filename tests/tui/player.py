"""A mesh that only plays: `python -m tests.tui.player ROOT` answers the live view of 60 services that all change, and
1,000 log lines a second, until it is ended."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from tests.tui.stage import edge, live, mesh_view, service, stat

SERVICES = [f"service-{number}" for number in range(60)]
LINES_A_SECOND = 1_000
OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


def moment(rng: random.Random, first: bool) -> object:
    """Everything of everybody has changed."""
    view = live([service(name, up_ms=rng.uniform(1e3, 1e6)) for name in SERVICES])
    view["stat"] = [
        stat(name, rng.uniform(1, 200), rng.uniform(0.9, 1), [rng.uniform(1, 400) for _ in range(3)])
        for name in SERVICES
    ]
    view["edges"] = [edge(name, other, 3.0, 1.0, 4.0) for name in SERVICES for other in rng.sample(SERVICES, 2)]
    seconds = range(60 if first else 1)
    view["ticks"] = [{"seconds": 1.0, "requests": {n: rng.randrange(200) for n in SERVICES}} for _ in seconds]
    return view


async def lives() -> AsyncIterator[list[object]]:
    rng = random.Random(1)
    yield [moment(rng, first=True)]
    while True:
        await asyncio.sleep(0.5)
        yield [moment(rng, first=False)]


async def logs() -> AsyncIterator[list[object]]:
    number = 0
    while True:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        batch: list[object] = []
        for _ in range(LINES_A_SECOND // 20):
            number += 1
            text = f"GET /orders/{number} 200 {number % 97}ms user=ada trace=7f3a"
            name = SERVICES[number % 60]
            batch.append({"time": now, "service": name, "replica": 1, "stream": "stdout", "line": text})
        yield batch
        await asyncio.sleep(0.05)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().partition("?")[0]
    writer.write(OK)
    streams = {"/v1/live": lives, "/v1/logs": logs}
    if path in streams:
        async for batch in streams[path]():
            writer.write("".join(json.dumps(item) + "\n" for item in batch).encode())
            await writer.drain()
    elif path == "/v1/events":
        await asyncio.sleep(3_600)
    else:
        body: object = mesh_view() if path == "/v1/mesh" else {"argv": ["x"], "cwd": "/", "env": {}, "mesh_env": {}}
        writer.write(json.dumps(body).encode())
    writer.close()


async def main(root: Path) -> None:
    (root / ".minimesh").mkdir(exist_ok=True)
    server = await asyncio.start_unix_server(answer, root / ".minimesh" / "control.sock")
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
