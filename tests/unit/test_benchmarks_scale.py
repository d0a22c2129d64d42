"""benchmarks/scale.py writes what it says."""

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

SCALE = Path(__file__).parents[2] / "benchmarks" / "scale.py"


def scale(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCALE, *map(str, arguments)], capture_output=True, text=True, timeout=20)


def kind(path: str) -> str:
    if path.startswith("~"):
        return "regex"
    return "prefix" if path.endswith("/*") else "exact"


def test_many(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    result = scale(folder, "--services", 1000, "--routes", 5000)
    assert (result.returncode, result.stdout.strip()) == (0, str(folder / "minimesh.toml"))
    project = tomllib.loads((folder / "minimesh.toml").read_text())
    services, routes = project["services"], project["gateway"]["routes"]
    assert len(services) == 1000
    assert services.pop("web") == {"run": ["sleep", "infinity"], "port": "none", "calls": ["api"]}
    assert {service["address"] for service in services.values()} == {"127.0.0.1:9900"}
    assert len({route["path"] for route in routes}) == 5000
    assert {route["to"] for route in routes} == set(services)
    assert Counter(kind(route["path"]) for route in routes) == {"exact": 2490, "prefix": 2501, "regex": 9}
    assert routes[-1] == {"path": "/*", "to": "api"}


def test_smallest(tmp_path: Path) -> None:
    options = ("--services", 2, "--routes", 1, "--http", 18080, "--address", "127.0.0.1:1")
    assert scale(tmp_path, *options).returncode == 0
    project = tomllib.loads((tmp_path / "minimesh.toml").read_text())
    assert project["gateway"] == {"http": 18080, "routes": [{"path": "/*", "to": "api"}]}
    assert set(project["services"]) == {"web", "api"}
    assert project["services"]["api"]["address"] == "127.0.0.1:1"


def test_minimesh_takes_it(tmp_path: Path) -> None:
    scale(tmp_path, "--services", 20, "--routes", 1200)
    check = [sys.executable, "-m", "minimesh", "validate"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_some_are_programs_that_may_call_each_other(tmp_path: Path) -> None:
    scale(tmp_path, "--services", 10, "--routes", 1, "--programs", 3)
    services = tomllib.loads((tmp_path / "minimesh.toml").read_text())["services"]
    assert {name: each["calls"] for name, each in services.items() if "run" in each} == {
        "web": ["api"],
        "service-0002": ["api"],
        "service-0003": ["api", "service-0002"],
    }
    assert len(services) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--services", 1), "at least 2 services and 1 route"),
        (("--routes", 0), "at least 2 services and 1 route"),
        (("--services", 5, "--programs", 5), "but api is none"),
    ],
)
def test_too_small(tmp_path: Path, options: tuple[object, ...], message: str) -> None:
    result = scale(tmp_path / "none", *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (tmp_path / "none").exists()
