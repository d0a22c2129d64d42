"""Requests at a rate, whether answers come or not: `openloop.py PORT RATE SECONDS` prints what came, as JSON.

Each request is due at a time of its own and counts from then, so that a service that is late does not slow down those
that ask (no coordinated omission). A connection has one request at a time; there are as many as it takes.
"""

import asyncio
import json
import resource
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import cast

import uvloop

MOST_CONNECTIONS = 8_000
AFTERWARDS = 10.0
"""Seconds that answers are waited for when the last request is out."""
REQUEST = b"GET /work HTTP/1.1\r\nHost: api\r\n\r\n"
TICK = 0.001


@dataclass
class Outcome:
    """By status ("lost": the connection was cut or could not be made, "open": no answer yet): how many, and their
    seconds, sorted. `good`: answers of 200 in each second. `unsent`: there was no connection left for them."""

    sent: int = 0
    unsent: int = 0
    connections: int = 0
    good: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Asking(asyncio.Protocol):
    """One connection; it goes to `idle` when its answer is whole."""

    def __init__(self, load: "Load", due: float) -> None:
        self.load = load
        self.due = due
        self.asks = True
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(REQUEST)

    def ask(self, due: float) -> None:
        self.due = due
        self.asks = True
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self.got += data
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.got = b""
            self.asks = False
            self.load.answered(self.due, head[9:12].decode())
            self.load.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.asks:
            self.load.answered(self.due, "lost")
        elif self in self.load.idle:
            self.load.idle.remove(self)


class Load:
    def __init__(self, port: int, rate: float, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.port, self.rate, self.wanted = port, rate, int(rate * seconds)
        self.idle: list[Asking] = []
        self.outcome = Outcome(good=[0] * (int(seconds) + int(AFTERWARDS) + 2))
        self.open = 0
        self.started = self.loop.time()

    def answered(self, due: float, status: str) -> None:
        now = self.loop.time()
        self.open -= 1
        self.outcome.seconds[status].append(round(now - due, 5))
        if status == "200":
            self.outcome.good[min(int(now - self.started), len(self.outcome.good) - 1)] += 1

    async def dial(self, due: float) -> None:
        try:
            await self.loop.create_connection(lambda: Asking(self, due), "127.0.0.1", self.port)
        except OSError:
            self.answered(due, "lost")

    async def run(self) -> Outcome:
        outcome, dials, number = self.outcome, set[asyncio.Task[None]](), 0
        while number < self.wanted:
            await asyncio.sleep(TICK)
            now = self.loop.time()
            while number < self.wanted and (due := self.started + number / self.rate) <= now:
                number += 1
                if self.idle:
                    self.idle.pop().ask(due)
                elif outcome.connections < MOST_CONNECTIONS:
                    outcome.connections += 1
                    dials.add(task := self.loop.create_task(self.dial(due)))
                    task.add_done_callback(dials.discard)
                else:
                    outcome.unsent += 1
                    continue
                outcome.sent += 1
                self.open += 1
        until = self.loop.time() + AFTERWARDS
        while self.open and self.loop.time() < until:  # noqa: ASYNC110 - an event would cost each answer
            await asyncio.sleep(TICK)
        outcome.seconds["open"] = [AFTERWARDS] * self.open
        for times in outcome.seconds.values():
            times.sort()
        return outcome


async def main() -> None:
    port, rate, seconds = (float(word) for word in sys.argv[1:])
    json.dump(vars(await Load(int(port), rate, seconds).run()), sys.stdout)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main())
