"""What all tests share: hypothesis profiles, Ctrl-C, and the one event loop that anyio's plugin runs on."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

SLOW_MACHINE = [HealthCheck.too_slow]

settings.register_profile("dev", deadline=None, max_examples=100, suppress_health_check=SLOW_MACHINE)
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.register_profile("few", parent=settings.get_profile("ci"), max_examples=20)
settings.register_profile("long", parent=settings.get_profile("dev"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job: what tests start would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # of nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
