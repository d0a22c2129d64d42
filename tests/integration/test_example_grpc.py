"""examples/grpc as it is, in a mesh of its own."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.interop.shapes import Caller
from tests.integration.interop.stage import Shapes
from tests.processes import until

EXAMPLE = Path(__file__).parents[2] / "examples" / "grpc"


def test_each_replica_is_asked_as_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "grpc"
    shutil.copytree(EXAMPLE, root)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    mesh = Shapes(root, (root / "minimesh.toml").read_text())
    try:
        log = root / ".minimesh" / "logs" / "asker.log"
        said = "3 replicas, [10, 10, 10] calls; streamed: one word after the other"
        assert until(lambda: log.exists() and said in log.read_text())
        with Caller(mesh.gateway) as caller:
            answer = caller.channel.unary_unary("/demo.Words/Count")(b"from outside", timeout=5)
        assert answer.startswith(b"2 ")
    finally:
        mesh.stop()
