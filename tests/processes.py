"""What tests with processes of their own need: waits that end, ports that are free, who is gone."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from minimesh.control.ports import is_free

PATIENCE = 20.0


def until(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Waits for what has no event; False if it does not come in `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def free_port() -> int:
    """None that the system gives to somebody else before the program of the test has it."""
    while True:
        port = random.randrange(15_000, 30_000)
        if is_free(port):
            return port


def is_gone(pid: int) -> bool:
    """It has ended; nobody may have asked for its exit status yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except FileNotFoundError:
        return Path("/proc/self").exists()
