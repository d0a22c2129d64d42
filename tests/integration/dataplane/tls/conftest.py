"""Certificates for the tests of TLS, on both loops."""

from collections.abc import AsyncIterator

import pytest

from tests.certificates import Certificates, Pair
from tests.integration.dataplane.stage import Setup
from tests.integration.dataplane.tls.tlsstage import LOOPS, Side


@pytest.fixture(params=LOOPS, ids=str)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    setup: Setup = request.param
    return "asyncio", {"use_uvloop": setup.uvloop}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def root(certificates: Certificates) -> Pair:
    return certificates.root("root")


@pytest.fixture(scope="module")
def pair(certificates: Certificates, root: Pair) -> Pair:
    return certificates.leaf("a", root, "DNS:a.test", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def other(certificates: Certificates, root: Pair) -> Pair:
    return certificates.leaf("b", root, "DNS:b.test")


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    yield side
    await side.close()
