"""Signals that come while one image of the program becomes the next: none is lost, and none kills what is between.

Blocking them is not enough: another thread may still take one, and hand it to a loop that will never turn again. So the
number of each signal is written to a pipe that the next image reads.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HEARD = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def kept() -> Iterator[int]:
    """From here on signals wait: the descriptor of the pipe. Where this is left, they come. Main thread only."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        deliver(reading)


def hear(pipe: int) -> None:
    """In the next image, which has its handlers now: what came meanwhile comes."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    deliver(pipe)


def deliver(pipe: int) -> None:
    """Sends this process what is in the pipe, and closes that."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        for number in os.read(pipe, 4096):
            if number in HEARD:
                os.kill(os.getpid(), number)
    os.close(pipe)
