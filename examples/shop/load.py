"""Keeps the shop busy: people who look around, and some who buy.

python load.py --seconds 10 --rate 50 [URL]
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
from http.client import HTTPException
from typing import Any, NamedTuple

from shoplib import Client

CUSTOMERS = 16  # connections
VISIT = [("GET", "/")] * 6 + [("GET", "/api/products")] * 3 + [("POST", "/api/orders")]
TEAS = ("sencha", "earl-grey", "rooibos", "hibiscus", "chamomile")
EXPECTED = {"GET": {200}, "POST": {201, 409}}  # 409: sold out, which is a shop's good right


class Result(NamedTuple):
    seconds: float
    failure: str  # "" for none


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep the shop busy.")
    parser.add_argument("url", nargs="?", default="http://localhost:7080", metavar="URL")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    options = parser.parse_args()

    results = run(options.url, options.seconds, options.rate)
    failures = [result.failure for result in results if result.failure]
    times = sorted(result.seconds * 1000 for result in results)
    print(
        f"{len(results)} requests in {options.seconds:g} s, {len(failures)} failures, "
        f"p50 {percentile(times, 50):.1f} ms, p99 {percentile(times, 99):.1f} ms"
    )
    for failure in sorted(set(failures))[:5]:
        print(f"  {failures.count(failure)} x {failure}", file=sys.stderr)
    return 1 if failures or not results else 0


def run(url: str, seconds: float, rate: float) -> list[Result]:
    """Request n is due n / rate seconds after the start, whoever of the customers is free to send it."""
    results: list[Result] = []
    turns = iter(range(math.ceil(seconds * rate)))
    start = time.monotonic()

    def customer() -> None:
        client = Client(url)
        for turn in turns:
            due = start + turn / rate
            time.sleep(max(0.0, due - time.monotonic()))
            failure = visit(client, turn)
            # Counted from when it was due: that all customers had to wait is part of how slow the shop is.
            results.append(Result(time.monotonic() - due, failure))
        client.close()

    threads = [threading.Thread(target=customer) for _ in range(CUSTOMERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def visit(client: Client, turn: int) -> str:
    method, path = VISIT[turn % len(VISIT)]
    order: Any = {"sku": TEAS[turn // len(VISIT) % len(TEAS)], "quantity": 1} if method == "POST" else None
    try:
        status = client.request(method, path, order).status
    except (OSError, HTTPException) as error:
        return f"{method} {path}: {error or type(error).__name__}"
    return "" if status in EXPECTED[method] else f"{method} {path}: status {status}"


def percentile(ordered: list[float], percent: float) -> float:
    """The smallest value that so many percent of them do not exceed; 0 for none."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0


if __name__ == "__main__":
    sys.exit(main())
