"""Progress, for whoever waits."""

from __future__ import annotations

import time

_started = time.monotonic()


def say(text: str) -> None:
    seconds = int(time.monotonic() - _started)
    print(f"[{seconds // 60:2}:{seconds % 60:02}] {text}", flush=True)
