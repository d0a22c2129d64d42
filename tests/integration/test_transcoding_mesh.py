"""Services of gRPC that are asked as REST in a real mesh: by a descriptor set, and by reflection."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import until
from tests.protos import LIBRARY

ROOT = Path(__file__).parents[2]
MINIMESH = [sys.executable, "-m", "minimesh"]
RUN = json.dumps([sys.executable, "-m", "tests.integration.dataplane.library"])
TOML = f"""\
version = 1
[mesh]
name = "shop"
[gateway]
routes = [{{ path = "/told/*", to = "told", strip_prefix = "/told" }}, {{ path = "/*", to = "library" }}]
[services.library]
run = {RUN}
env = {{ PYTHONPATH = {json.dumps(str(ROOT))} }}
protocol = "grpc"
transcode = {{ descriptors = "api.pb" }}
[services.told]
run = {RUN}
env = {{ PYTHONPATH = {json.dumps(str(ROOT))} }}
transcode = "reflection"
ready = {{ tcp = true }}
"""
MUTE = """\
import http.server, os
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.BaseHTTPRequestHandler).serve_forever()
"""
PATIENCE = 40.0


def minimesh(root: Path, *words: str) -> str:
    done = subprocess.run([*MINIMESH, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("transcoding")
    (root / "minimesh.toml").write_text(TOML)
    (root / "api.pb").write_bytes(LIBRARY)
    subprocess.run([*MINIMESH, "up", "-d"], cwd=root, check=True, env={**os.environ}, timeout=PATIENCE)
    yield root
    minimesh(root, "down", "-t", "5")


@pytest.fixture(scope="module")
def gateway(mesh: Path) -> str:
    return f"http://{json.loads(minimesh(mesh, 'ps', '-o', 'json'))[0]['listen']}"


def asked(url: str) -> dict[str, object]:
    """The answer, once there is one that the mesh has not made."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(httpx.get(url))
        return answers[-1].status_code == 200

    assert until(answered), answers[-1].text
    found: dict[str, object] = answers[-1].json()
    return found


def test_by_a_descriptor_set(gateway: str) -> None:
    assert asked(f"{gateway}/v1/shelves/7")["name"] == "shelves/7"


def test_by_reflection(gateway: str) -> None:
    assert asked(f"{gateway}/told/v1/shelves/7")["name"] == "shelves/7"


def test_by_reflection_again_after_a_restart(mesh: Path, gateway: str) -> None:
    minimesh(mesh, "restart", "told")
    assert asked(f"{gateway}/told/v1/shelves/7")["name"] == "shelves/7"


def settings(mesh: Path, service: str) -> dict[str, object]:
    told = json.loads(minimesh(mesh, "describe", service, "-o", "json"))["settings"]
    return {each["key"].split(".", 2)[2]: each["value"] for each in told}


def test_what_the_commands_say_of_it(mesh: Path) -> None:
    assert settings(mesh, "told")["transcode"] == "reflection"
    assert settings(mesh, "library")["transcode.descriptors"] == "api.pb"
    assert "MM022" in minimesh(mesh, "explain", "MM022")
    assert "not told yet" in minimesh(mesh, "explain", "not_reflected")


def test_a_service_without_reflection_is_told_of(mesh: Path, gateway: str) -> None:
    """It is asked as REST only once it tells, and why it does not is among the events."""
    file = mesh / "minimesh.toml"
    mute = f'[services.mute]\nrun = {json.dumps([sys.executable, "-c", MUTE])}\ntranscode = "reflection"\n'
    file.write_text(TOML.replace("routes = [", 'routes = [{ path = "/mute/*", to = "mute" }, ') + mute)
    minimesh(mesh, "reload")
    minimesh(mesh, "up", "-d")
    assert until(lambda: "mute does not tell by reflection" in minimesh(mesh, "events"))
    answer = httpx.get(f"{gateway}/mute/v1/x")
    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert answer.headers["x-minimesh-reason"].startswith("not_reflected")
