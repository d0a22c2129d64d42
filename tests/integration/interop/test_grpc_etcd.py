"""etcd, driven by its own etcdctl through the mesh."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.interop.stage import Shapes
from tests.processes import PATIENCE, free_port

pytestmark = pytest.mark.skipif(
    not (shutil.which("etcd") and shutil.which("etcdctl")), reason="needs etcd-server and etcd-client"
)


class Store:
    """etcd as etcdctl sees it through the mesh."""

    def __init__(self, endpoint: str) -> None:
        self._command = ["etcdctl", "--endpoints", endpoint, "--write-out", "json"]
        self._environment = {**os.environ, "ETCDCTL_API": "3"}

    def ask(self, *words: str) -> dict[str, Any]:
        command = [*self._command, *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*self._command, *words], env=self._environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    root = tmp_path_factory.mktemp("etcd")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    file = f"""
version = 1
[mesh]
name = "keys"
[services.etcd]
run = ["etcd", "--data-dir", "{root}/data", "--listen-client-urls", "{client}", "--advertise-client-urls", "{client}",
  "--listen-peer-urls", "{peer}", "--initial-advertise-peer-urls", "{peer}", "--initial-cluster", "default={peer}"]
port = {client.rpartition(":")[2]}
ready = "/health"
[services.web]
run = ["sleep", "1000"]
port = "none"
calls = ["etcd"]
"""
    running = Shapes(root, file)
    yield Store(running.outbound("etcd"))
    running.stop()


def read_changes(watch: subprocess.Popen[str], count: int) -> list[tuple[str, str]]:
    """The next of a watch: what happened to which key."""
    assert watch.stdout is not None
    changes: list[tuple[str, str]] = []
    while len(changes) < count:
        events = json.loads(watch.stdout.readline())["Events"]
        changes += [
            ("DELETE" if event.get("type") else "PUT", b64decode(event["kv"]["key"]).decode()) for event in events
        ]
    return changes


def test_keys_a_watch_and_a_lease(store: Store) -> None:
    lease = f"{store.ask('lease', 'grant', '60')['ID']:x}"
    # What was before it is told as well, so that it does not matter when it begins.
    watch = store.start("watch", "--prefix", "/shop/", "--rev", "1")
    try:
        for number in range(3):
            store.ask("put", f"/shop/{number}", str(number) * 1000, f"--lease={lease}")
        assert store.ask("get", "--prefix", "/shop/")["count"] == 3
        assert read_changes(watch, 3) == [("PUT", f"/shop/{number}") for number in range(3)]
        store.ask("lease", "revoke", lease)
        assert sorted(read_changes(watch, 3)) == [("DELETE", f"/shop/{number}") for number in range(3)]
    finally:
        watch.kill()
        watch.communicate()
    assert "count" not in store.ask("get", "--prefix", "/shop/")
