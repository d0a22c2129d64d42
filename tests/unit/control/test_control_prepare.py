"""Before the first service: ports that somebody takes while we look, and what is said when we may not choose."""

import errno
import os
from pathlib import Path
from typing import cast

import pytest

from minimesh.control import codes
from minimesh.control.paths import StateFolder
from minimesh.control.prepare import prepare
from minimesh.control.report import UpOptions
from minimesh.control.settle import StartError
from minimesh.control.world import OTHER_PORTS
from minimesh.dataplane import DataPlane, ListenError
from minimesh.model.address import Address
from minimesh.model.project import Gateway, Project
from minimesh.model.snapshot import Snapshot
from minimesh.spec import Loaded
from minimesh.supervise.runfile import Run


class Plane:
    """Refuses the gateway's address so many times."""

    def __init__(self, refusals: int, number: int = errno.EADDRINUSE) -> None:
        self.refusals = refusals
        self.number = number
        self.ports: list[int] = []

    def apply(self, snapshot: Snapshot) -> None:
        listener = snapshot.listeners["gateway"]
        self.ports.append(listener.address.port)
        if len(self.ports) <= self.refusals:
            raise ListenError(listener, OSError(self.number, os.strerror(self.number)))


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path)
    state.create()
    return state


def prepared(folder: StateFolder, plane: Plane, listen: Address | None = None) -> None:
    file = folder.root / "minimesh.toml"
    project = Project("shop", "shop.mesh", folder.root, file, gateway=Gateway(listen=listen))
    options = UpOptions(folder.root, project=project)
    prepare(options, Loaded(project, ()), folder, Run("r", 1, 0.0), cast("DataPlane", plane))


def test_a_chosen_port_that_is_taken_meanwhile_is_chosen_again(folder: StateFolder) -> None:
    plane = Plane(refusals=2)
    prepared(folder, plane)
    assert len(set(plane.ports)) == 3


def test_at_last_the_mesh_gives_up(folder: StateFolder) -> None:
    plane = Plane(refusals=1000)
    with pytest.raises(StartError) as refused:
        prepared(folder, plane)
    assert refused.value.problem.code == codes.GATEWAY_PORT
    assert len(plane.ports) == OTHER_PORTS + 1


def test_a_written_address_is_not_ours_to_change(folder: StateFolder) -> None:
    plane = Plane(refusals=1, number=errno.EADDRNOTAVAIL)
    with pytest.raises(StartError) as refused:
        prepared(folder, plane, Address("192.0.2.1", 80))
    assert plane.ports == [80]
    assert refused.value.problem.code == codes.CANNOT_LISTEN
    assert "192.0.2.1:80" in refused.value.problem.message
