"""`reload`, `scale` and `up` on a mesh that runs, as a person types them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0
SLEEPS = 'run = ["sleep", "600"]\nport = "none"\n'
TOML = f"""\
version = 1
[services.web]
{SLEEPS}depends_on = ["orders"]
[services.orders]
{SLEEPS}"""


def run(root: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "minimesh", *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.returncode == code, ran.stderr
    return ran


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "minimesh.toml").write_text(TOML)
    run(tmp_path, "up", "-d")
    yield tmp_path
    run(tmp_path, "down", "-t", "2")


def edit(root: Path, old: str, new: str) -> None:
    file = root / "minimesh.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def pids(root: Path) -> dict[str, Any]:
    return {service["name"]: service["pid"] for service in json.loads(run(root, "ps", "-o", "json").stdout)}


def test_a_line_for_each_that_is_touched_and_one_for_all(shop: Path) -> None:
    before = pids(shop)
    edit(shop, "[services.orders]\n", '[services.orders]\nenv = { GREETING = "hi" }\n')
    edit(shop, "[services.web]", f"[services.cache]\n{SLEEPS}[services.web]")
    told = run(shop, "reload", "--dry-run").stderr.splitlines()
    assert told[:2] == ["  orders  restarted: env changed: GREETING", "  cache   added"]
    assert told[2].startswith("reload: would change: 1 restarted, 1 added, 1 unchanged, ")
    assert pids(shop) == before
    assert run(shop, "reload").stderr.splitlines()[:2] == told[:2]
    assert run(shop, "reload").stderr.startswith("reload: 3 unchanged, ")
    after = pids(shop)
    assert after["web"] == before["web"]
    assert after["orders"] != before["orders"]


def test_a_mistake_is_shown_as_validate_shows_it(shop: Path) -> None:
    before = pids(shop)
    edit(shop, "depends_on", "dependson")
    validated = run(shop, "validate", code=2).stderr
    refused = run(shop, "reload", code=2)
    assert refused.stderr == f"reload: nothing was changed\n{validated}"
    assert refused.stdout == ""
    facts = json.loads(run(shop, "reload", "--json", "-q", code=2).stderr)["error"]
    assert (facts["code"], facts["line"], facts["file"]) == ("MM002", 5, "minimesh.toml")
    assert run(shop, "up", "-d", code=2).stderr.endswith(validated)
    assert pids(shop) == before


def test_up_again_starts_what_is_stopped_and_waits_for_it(shop: Path) -> None:
    run(shop, "stop", "orders")
    told = run(shop, "up", "-d").stderr.splitlines()
    assert told[0] == "  orders  started"
    assert told[1].startswith("reload: 1 started, 2 unchanged, ")
    assert told[2].startswith("ready in ")
    assert pids(shop)["orders"] is not None


def test_replicas_by_hand(shop: Path) -> None:
    told = run(shop, "scale", "orders=3", "web=2").stderr.splitlines()
    assert told[0] == "  orders  changed: replicas 1 → 3"
    assert told[2] == "  web  changed: replicas 1 → 2"
    services = {each["name"]: each for each in json.loads(run(shop, "ps", "-o", "json").stdout)}
    assert (services["orders"]["replicas"], services["web"]["replicas"]) == (3, 2)
    assert json.loads(run(shop, "scale", "orders=1", "--json").stdout)["changed"] == {"orders": "replicas 3 → 1"}
    assert "error[MM402]" in run(shop, "scale", "orders", code=2).stderr
    assert "error[MM403]" in run(shop, "scale", "nobody=2", code=2).stderr
    edit(shop, "[services.web]\n", "[services.web]\nreplicas = 3\n")
    assert run(shop, "reload").stderr.startswith("  web  changed: replicas 2 → 3\n")


def test_without_a_mesh_there_is_nothing_to_reload(tmp_path: Path) -> None:
    (tmp_path / "minimesh.toml").write_text(TOML)
    assert "error[MM401]" in run(tmp_path, "reload", code=3).stderr
