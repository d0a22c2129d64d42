"""The owner of the snapshot: what a world that cannot be listened to leaves behind."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from minimesh.control.layout import Layout
from minimesh.control.serving import Serving
from minimesh.model.address import Address
from minimesh.model.project import Project
from minimesh.model.service import Service
from minimesh.model.snapshot import Snapshot
from minimesh.testing.clock import VirtualClock

if TYPE_CHECKING:
    from minimesh.control.world import World
    from minimesh.dataplane import DataPlane

pytestmark = pytest.mark.anyio


def world(*services: Service) -> "World":
    project = Project(
        "shop",
        "shop.local",
        Path("/shop"),
        Path("/shop/minimesh.toml"),
        services={each.name: each for each in services},
    )
    return cast("World", SimpleNamespace(project=project, layout=Layout()))


async def test_a_world_that_is_refused_forgets_no_address() -> None:
    """A name that cannot be looked up just then would else lose the addresses that it has."""

    def refuse(snapshot: Snapshot) -> None:
        raise OSError("taken")

    plane = cast("DataPlane", SimpleNamespace(apply=refuse))
    pay = Service("pay", addresses=(Address("localhost", 80),))
    serving = Serving(world(pay), Snapshot(1), plane, VirtualClock())
    await serving.names.refresh()
    known = serving.names.of("pay")
    assert known
    with pytest.raises(OSError, match="taken"):
        serving.change(world(), ())
    assert serving.names.of("pay") == known
