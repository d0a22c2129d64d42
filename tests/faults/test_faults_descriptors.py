"""The mesh runs out of descriptors: callers wait, nothing ends, and with the first one back all goes on."""

import os
import resource
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.stage import FILE, Stage
from tests.processes import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is changed by prlimit"),
]
SPARE = 12


def test_no_descriptor_left(stage: Stage) -> None:
    stage.up()
    assert stage.mesh is not None
    pid, gateway, pids = stage.mesh.pid, stage.gateway(), stage.pids()
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + SPARE, used + SPARE))
    began = cpu(pid)
    with ExitStack() as crowd:
        for _ in range(SPARE * 3):
            crowd.enter_context(socket.create_connection(gateway, timeout=5))
        assert until(lambda: len(list(Path(f"/proc/{pid}/fd").iterdir())) >= used + SPARE)
        waiting = crowd.enter_context(socket.create_connection(gateway, timeout=0.5))
        waiting.sendall(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n")
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        assert cpu(pid) - began < 1.0, "it spins"
        assert pids["back"] in stage.processes()
    assert until(stage.answers), "there is room again"
    assert stage.pids() == pids
    stage.down()


def test_a_service_ends_while_there_is_none(stage: Stage) -> None:
    """Its restart fails for want of descriptors, is tried again, and succeeds once there are some."""
    stage.write(f'{FILE}restart = {{ policy = "always", backoff = "100ms..100ms", max = 100 }}\n')
    stage.up()
    assert stage.mesh is not None
    pid, back = stage.mesh.pid, stage.pids()["back"]
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used - 4, used + 1000))
    os.kill(back, signal.SIGKILL)
    assert until(lambda: "Too many open files" in (stage.root / ".minimesh/logs/back.log").read_text())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1000, used + 1000))
    assert until(lambda: stage.services()["back"]["ready"] == 1)
    assert stage.pids()["back"] != back
    stage.down()


def cpu(pid: int) -> float:
    """Seconds of a core so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
