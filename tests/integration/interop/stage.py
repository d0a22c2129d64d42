"""A mesh with gRPC services in it, and where to call them."""

import sys
from pathlib import Path

from tests.integration.apistage import PATIENCE, Running

BACKEND = Path(__file__).with_name("backend.py")
RUN = f"run = [{sys.executable!r}, {str(BACKEND)!r}]"
FILE = f"""
version = 1
[mesh]
name = "shapes"
[gateway]
routes = [{{ grpc = "test.Shapes", to = "shapes" }}]
[defaults]
protocol = "grpc"
[services.shapes]
{RUN}
ready = {{ grpc = true }}
[services.three]
{RUN}
ready = {{ tcp = true }}
replicas = 3
[services.narrow]
{RUN}
breaker = {{ requests = 1, waiting = 0 }}
timeout = "400ms"
[services.deaf]
run = ["sleep", "1000"]
protocol = "http"
[services.nowhere]
address = "127.0.0.1:9"
ready = {{ tcp = true, every = "100ms", within = "300ms" }}
[services.web]
run = ["sleep", "1000"]
port = "none"
calls = ["shapes", "three", "narrow", "deaf", "nowhere"]
"""


class Shapes(Running):
    """A mesh in this process, and the addresses in it."""

    def __init__(self, root: Path, file: str = FILE) -> None:
        (root / "minimesh.toml").write_text(file)
        super().__init__(root)

    def direct(self, service: str) -> str:
        """HOST:PORT of the program itself."""
        views = self.api.client.get("/v1/services")
        (address,) = (view["listen"] for view in views if view["name"] == service)
        return str(address)

    def outbound(self, service: str) -> str:
        """HOST:PORT that web calls it at."""
        environment = self.api.client.get("/v1/services/web/env")["mesh_env"]
        url: str = environment[f"{service.upper()}_URL"]
        return url.removeprefix("http://")

    @property
    def gateway(self) -> str:
        address: str = self.api.client.get("/v1/mesh")["gateway"]["address"]
        return address

    def stop(self) -> None:
        if self.thread.is_alive():
            self.api.client.post("/v1/down", {"within_ms": 0})
            self.thread.join(PATIENCE)
