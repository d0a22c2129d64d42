"""What the supervisor is given: programs whose every value is settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from minimesh.model.address import Dialable, loopback
from minimesh.model.egress import Origination
from minimesh.model.service import Dependency, Probe, Ready, Restart, Stop, When


@dataclass(frozen=True, slots=True)
class Program:
    """One replica of a service, or a task. Replicas count from 1 and share name and `depends_on`.

    `env` is the complete environment. An empty `argv` means a service that lives elsewhere: nothing is
    started, `addresses` are only probed. Otherwise probes ask loopback at `port`. `recipe` is what a task is made
    of by what is written: its command and its own variables, without ports that the mesh chose. `datagrams`: `port`
    is one of UDP, where it cannot be told who listens. `tls`: how addresses that speak it prove who they are.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    replica: int = 1
    port: int | None = None
    addresses: tuple[Dialable, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    ready: Ready = Ready(Probe.RUNNING)
    restart: Restart = Restart()
    stop: Stop = Stop()
    task: bool = False
    when: When = When()
    recipe: tuple[str, ...] = ()
    datagrams: bool = False
    tls: Origination = Origination()

    @property
    def instance(self) -> str:
        """`payments/1`."""
        return f"{self.name}/{self.replica}"

    @property
    def targets(self) -> tuple[Dialable, ...]:
        """Where probes dial, the first that answers counts."""
        if self.addresses or self.port is None:
            return self.addresses
        return loopback(self.port)


def shell(command: str) -> tuple[str, ...]:
    """The arguments that have /bin/sh run a command line."""
    return ("/bin/sh", "-c", command)
