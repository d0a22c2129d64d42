"""The stage for each test, on both loops and with each codec."""

from collections.abc import AsyncIterator

import pytest

from minimesh.dataplane.codecs import codec_named
from tests.integration.dataplane.stage import SETUPS, Setup, Stage


@pytest.fixture(params=SETUPS, ids=str)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    setup: Setup = request.param
    return "asyncio", {"use_uvloop": setup.uvloop}


@pytest.fixture
def codec(request: pytest.FixtureRequest, anyio_backend: object) -> str:
    setup: Setup = request.node.callspec.params["anyio_backend"]
    return setup.codec


@pytest.fixture
async def bare(codec: str) -> AsyncIterator[Stage]:
    """A stage that the test opens itself."""
    stage = Stage(codec_named(codec))
    yield stage
    await stage.close()


@pytest.fixture
async def stage(bare: Stage) -> Stage:
    """A stage with default limits and one endpoint."""
    bare.open()
    return bare
