"""Where a measurement plays: a folder of its own, two CPUs, loopback ports, and processes that all end with it.

What is measured runs on the first CPU that this process may use; what makes load, and the services behind, share the
second with this process. With one CPU alone everything runs on it, and the machine's description says so.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from measure import tree

START_WITHIN = 30.0  # seconds
STOP_WITHIN = 20.0  # seconds; the mesh stops its services within this
PORTS = range(21000, 31000)  # below Linux's ephemeral range, so no outgoing connection takes one
_ports = itertools.cycle(PORTS)

CPUS = sorted(os.sched_getaffinity(0))
MEASURED_CPU = CPUS[0]
LOAD_CPU = CPUS[1] if len(CPUS) > 1 else CPUS[0]


Process = subprocess.Popen[bytes]


class BenchmarkError(Exception):
    """A measurement could not be made; the text says why, for people."""


class Stage:
    """A context: `folder` exists inside it, and every process that it started has ended after it.

    An error that leaves it takes along, as a note, what the processes wrote on stderr.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="minimesh-bench-"))
        self.errors = self.folder / "stderr.log"
        self._started: dict[int, Process] = {}
        self._affinity: set[int] = set()

    def __enter__(self) -> Self:
        self._affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {LOAD_CPU})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and self.errors.exists():
            error.add_note(self.errors.read_text(errors="replace")[-2000:])
        try:
            for pid in reversed([*self._started]):
                self.end(pid)
        finally:
            os.sched_setaffinity(0, self._affinity)
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, argv: Sequence[str | Path], *, measured: bool = False, cwd: Path | None = None) -> int:
        """Start a process group and return its leader's pid. Measured: on the measured CPU."""
        cpu = MEASURED_CPU if measured else LOAD_CPU
        with self.errors.open("ab") as errors:
            process = subprocess.Popen(
                ["taskset", "-c", str(cpu), *argv],
                cwd=cwd or self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._started[process.pid] = process
        return process.pid

    def end(self, pid: int) -> None:
        """End a process that `start` began, and all of its own."""
        end(self._started.pop(pid))

    def wait_for(self, port: int) -> None:
        """Until something accepts on the port. BenchmarkError if not soon, or if a process has ended."""
        until = time.monotonic() + START_WITHIN
        while not accepts(port):
            dead = [pid for pid, process in self._started.items() if process.poll() is not None]
            if dead or time.monotonic() > until:
                what = "a process ended at once" if dead else f"nothing accepts on port {port} after {START_WITHIN:g} s"
                raise BenchmarkError(what)
            time.sleep(0.02)


def environment() -> dict[str, str]:
    """Of what is started: bytecode is kept, as in an installation; this interpreter is `python3`; the fast codec."""
    drop = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "MINIMESH_CODEC"}
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def minimesh(*arguments: str) -> list[str]:
    """The command, on the interpreter that runs the benchmarks."""
    return [sys.executable, "-m", "minimesh", *arguments]


def free_port() -> int:
    """A loopback port that nothing listens on now; each call another one."""
    for port in itertools.islice(_ports, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BenchmarkError(f"no free port in {PORTS}")


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: Process) -> None:
    """TERM to the leader, which ends its own; what is left after STOP_WITHIN is killed, by pid."""
    family = tree(process.pid) if process.poll() is None else []
    if family:
        process.terminate()
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()
