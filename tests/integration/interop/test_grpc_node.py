"""gRPC by its own project for Node, on either side of the mesh."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.interop.shapes import ALL, Caller
from tests.integration.interop.stage import RUN, Shapes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm"),
]
PROGRAM = Path(__file__).with_name("shapes.js")
FILE = f"""
version = 1
[mesh]
name = "polyglot"
[services.shapes]
{RUN}
protocol = "grpc"
ready = {{ tcp = true }}
[services.node]
run = ["node", "{PROGRAM}", "serve"]
env = {{ NODE_PATH = "node_modules" }}
protocol = "grpc"
ready = {{ log = "listening" }}
[services.web]
run = ["sleep", "1000"]
port = "none"
calls = ["shapes", "node"]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shapes]:
    root = tmp_path_factory.mktemp("polyglot")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "@grpc/grpc-js@^1.9"]
    done = subprocess.run(install, cwd=root, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm cannot install @grpc/grpc-js here: {done.stderr[-200:]}")
    running = Shapes(root, FILE.replace('"node_modules"', f'"{root}/node_modules"'))
    yield running
    running.stop()


@pytest.mark.parametrize("service", ["shapes", "node"])
def test_its_client(mesh: Shapes, service: str) -> None:
    command = ["node", str(PROGRAM), "call", mesh.outbound(service)]
    environment = {**os.environ, "NODE_PATH": str(mesh.root / "node_modules")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split()[-1] == "cancellation"


@pytest.fixture(scope="module")
def caller(mesh: Shapes) -> Iterator[Caller]:
    with Caller(mesh.outbound("node")) as caller:
        yield caller


@pytest.mark.parametrize("shape", ALL, ids=lambda shape: shape.__name__)
def test_its_server(caller: Caller, shape: Callable[[Caller], None]) -> None:
    shape(caller)
